//! The tasks that wait for a change of the breaker.
//!
//! A task registers its waker before it reads the state, so that no change in between goes
//! unnoticed. A waker may run anything, so it is cloned, dropped and woken outside the lock.

use std::{
    collections::HashMap,
    mem::take,
    sync::{Mutex, MutexGuard},
    task::Waker,
};

use crate::lock::lock;

/// The tasks to wake when the breaker changes: they wait for the primary's readiness, or for their
/// turn.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    last_place: u64,
    wakers: HashMap<u64, Waker>,
}

// Cloning, dropping or waking a waker may run anything, so all of it happens outside the lock.
impl Waiters {
    /// Has `waker` woken at the next change; returns whether there was a change since the last
    /// time. `place` is the task's place among the waiters.
    pub(super) fn register(&self, place: &mut Option<u64>, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut waiting = self.lock();
        let known = *place;
        let place = *place.get_or_insert_with(|| {
            waiting.last_place += 1;
            waiting.last_place
        });
        let old = waiting.wakers.insert(place, waker);
        drop(waiting);
        known.is_some() && old.is_none()
    }

    pub(super) fn forget(&self, place: u64) {
        let waker = self.lock().wakers.remove(&place);
        drop(waker);
    }

    pub(super) fn wake_all(&self) {
        let wakers = take(&mut self.lock().wakers);
        for waker in wakers.into_values() {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }
}
