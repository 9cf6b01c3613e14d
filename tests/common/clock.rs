//! A clock that stands still until a test moves it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_breaker::clock::Clock;

/// A clock that the test sets, backwards too. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub(crate) struct ManualClock(Arc<Mutex<Duration>>);

impl ManualClock {
    pub(crate) fn set(&self, now: Duration) {
        *self.0.lock().unwrap() = now;
    }

    /// Moves the clock on. It stops at the end of time.
    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.saturating_add(by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}
