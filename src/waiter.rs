use std::{fmt, task::Context};

use crate::breaker::Breaker;

/// One task's place among those that are woken when the breaker changes. It is taken at the first wait.
pub(crate) struct Waiter {
    breaker: Breaker,
    name: Option<u64>,
}

impl Waiter {
    pub(crate) fn new(breaker: Breaker) -> Self {
        Self { breaker, name: None }
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(crate) fn register(&mut self, cx: &Context<'_>) {
        self.name = Some(self.breaker.wake_at_change(self.name, cx.waker()));
    }

    pub(crate) fn forget(&mut self) {
        if let Some(name) = self.name.take() {
            self.breaker.stop_waking(name);
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.forget();
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("waits", &self.name.is_some()).finish()
    }
}
