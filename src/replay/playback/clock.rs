use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::clock::Clock;

/// A clock that the trace sets.
#[derive(Clone, Debug, Default)]
pub(in crate::replay) struct TraceClock(Arc<AtomicU64>);

impl TraceClock {
    pub(in crate::replay) fn set(&self, nanos: u64) {
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl Clock for TraceClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
