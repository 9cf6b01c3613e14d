use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_breaker::clock::Clock;

/// A clock that shows what it is told to, backwards too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manual(Arc<Mutex<Duration>>);

impl Manual {
    pub(crate) fn set(&self, now: Duration) {
        *self.0.lock().unwrap() = now;
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.saturating_add(by);
    }
}

impl Clock for Manual {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}
