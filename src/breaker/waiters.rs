use std::{
    collections::HashMap,
    mem::take,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

/// The tasks that want to know when the breaker changes: those that wait for the primary's readiness, or for their turn.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    wakers: HashMap<u64, Waker>,
}

impl Waiters {
    /// Has `waker` woken at the next change, and gives the name under which it waits. `name` is the one of last time.
    pub(super) fn register(&self, name: Option<u64>, waker: &Waker) -> u64 {
        let mut waiting = self.lock();
        let name = name.unwrap_or_else(|| {
            waiting.last += 1;
            waiting.last
        });
        waiting
            .wakers
            .entry(name)
            .and_modify(|known| known.clone_from(waker))
            .or_insert_with(|| waker.clone());
        name
    }

    pub(super) fn forget(&self, name: u64) {
        self.lock().wakers.remove(&name);
    }

    /// Wakes all. A waker may run anything, so it runs outside the lock.
    pub(super) fn wake_all(&self) {
        let wakers = take(&mut self.lock().wakers);
        for waker in wakers.into_values() {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
