//! The clock of a replayed breaker.
//!
//! **Memory ordering**: relaxed. The thread that replays the trace sets the time and runs the
//! breaker, so program order is enough. The atomic only makes the clock `Sync`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::clock::Clock;

/// A clock that shows the time of the step that is being replayed.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceClock(Arc<AtomicU64>);

impl TraceClock {
    /// Sets the time, in nanoseconds since the trace's epoch.
    pub(crate) fn set(&self, nanos: u64) {
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl Clock for TraceClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
