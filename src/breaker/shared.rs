//! What all handles of a breaker share: the lock and what it protects, the shards, and who is
//! notified.
//!
//! A step takes the lock for as long as the machine needs, and runs a user's code (the clock,
//! observers, wakers) outside it.
//!
//! # Memory ordering
//!
//! `generation` is stored with release under the lock, and loaded with acquire without it:
//! [`Permit`](super::Permit) compares it with its ticket's, to call a primary that is ready with no
//! lock. A thread that sees an old generation makes its call with a ticket that is stale, as if it
//! had been a little earlier.

use std::{ops::DerefMut, sync::Arc};

use super::{
    factory::BreakerFactory,
    fast_path::{AtomicU64, Mutex, Ordering, PooledShards, lock},
    state::{Announcement, LockedState},
    timeline::CallTimeline,
    waiters::Waiters,
};
use crate::{
    clock::Clock,
    error::{BreakerName, CircuitOpen},
    group::{CallCounts, Candidate, Member},
    machine::{Completion, Machine, Refusal, Timestamp, TripReason},
    observe::{CallRecord, Evaluation, Event, EventSinks, Stamp},
};

/// What all handles of a breaker share.
pub(super) struct SharedBreaker {
    pub(super) name: Arc<str>,
    pub(super) name_in_errors: BreakerName,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shards: PooledShards,
    state: Mutex<LockedState>,
    /// The machine's, to be compared without the lock.
    generation: AtomicU64,
    pub(super) waiters: Waiters,
    pub(super) sinks: EventSinks,
    pub(super) member: Option<Arc<Member>>,
}

impl SharedBreaker {
    pub(super) fn new(
        factory: &BreakerFactory,
        name: Arc<str>,
        machine: Machine,
        member: Option<Arc<Member>>,
        shards: PooledShards,
    ) -> Arc<Self> {
        let sinks = EventSinks::new(factory.observers.clone());
        let state = LockedState::new(machine, sinks.observes_calls(), member.clone(), shards.clone());
        Arc::new(Self {
            name_in_errors: BreakerName::new(&name),
            name,
            clock: factory.clock.clone(),
            generation: AtomicU64::new(state.machine.generation()),
            state: Mutex::new(state),
            shards,
            waiters: Waiters::default(),
            sinks,
            member,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    pub(super) fn circuit_open(&self, refusal: Refusal) -> CircuitOpen {
        CircuitOpen::new(self.name_in_errors.clone(), refusal.retry_after)
    }

    /// Returns the generation of the last change.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Reads what the lock protects.
    pub(super) fn read<R>(&self, read: impl FnOnce(&LockedState) -> R) -> R {
        read(&self.lock())
    }

    /// Reads what the lock protects, once the shards' counts have been taken.
    pub(super) fn count<R>(&self, now: Timestamp, read: impl FnOnce(&LockedState) -> R) -> R {
        let mut state = self.lock();
        state.take_counts(now);
        read(&state)
    }

    /// Changes what the lock protects, then, with the lock released, notifies its observers.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut LockedState, Timestamp) -> R) -> R {
        self.update_at(self.now(), change)
    }

    #[inline]
    pub(super) fn update_at<R>(&self, now: Timestamp, change: impl FnOnce(&mut LockedState, Timestamp) -> R) -> R {
        let mut state = self.lock();
        let (result, announcement) = state.step(now, |state| change(state, now));
        self.generation.store(state.watched, Ordering::Release);
        drop(state);
        if let Some(announcement) = announcement {
            self.announce(announcement, now);
        }
        if let Some(member) = &self.member {
            member.sweep_if_due();
        }
        result
    }

    /// Like [`update`](Self::update), but for a step of a call; also returns when it was, where an
    /// observer wants calls.
    pub(super) fn step<R>(&self, change: impl FnOnce(&mut LockedState, Timestamp) -> R) -> (R, Option<Stamp>) {
        self.step_at(self.now(), change)
    }

    pub(super) fn step_at<R>(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut LockedState, Timestamp) -> R,
    ) -> (R, Option<Stamp>) {
        let traced = self.sinks.observes_calls();
        self.update_at(now, |state, now| {
            let stamp = traced.then(|| state.stamp(now));
            (change(state, now), stamp)
        })
    }

    #[cold]
    pub(super) fn notify_call(&self, call: &CallRecord) {
        self.sinks.notify_call(call);
    }

    /// Notifies observers of a call that ended at the moment of its start.
    pub(super) fn notify_at_once(&self, stamp: Stamp, has_started: bool, completion: Completion) {
        self.notify_call(&CallTimeline::new(stamp, has_started).record(self.name.clone(), completion, stamp));
    }

    #[cold]
    fn announce(&self, announcement: Announcement, at: Timestamp) {
        let Announcement {
            sequence,
            changes,
            evaluation,
        } = announcement;
        if !changes.is_empty() {
            self.waiters.wake_all();
        }
        for (sequence, (generation, transition)) in (sequence..).zip(changes) {
            self.sinks.notify(&Event {
                breaker: self.name.clone(),
                generation,
                sequence,
                at,
                transition,
            });
        }
        if let Some(stamp) = evaluation.filter(|_| self.sinks.observes_calls()) {
            self.sinks.notify_evaluation(&Evaluation {
                breaker: self.name.clone(),
                stamp,
            });
        }
    }

    fn lock(&self) -> impl DerefMut<Target = LockedState> {
        // A panic under the lock can come from a user's code only, which the machine isolates; its
        // state is whole.
        lock(&self.state)
    }
}

impl Drop for SharedBreaker {
    fn drop(&mut self) {
        self.shards.give_back();
    }
}

impl Candidate for SharedBreaker {
    fn call_counts(&self) -> CallCounts {
        self.count(self.now(), |state| {
            let calls = state.totals.primary;
            CallCounts {
                failed: calls.failed,
                calls: calls.failed + calls.succeeded,
            }
        })
    }

    fn trip_as_outlier(&self, reason: TripReason) {
        self.update(|state, now| state.machine.trip_if_group_allows(reason, now));
    }
}

#[cfg(all(test, not(breaker_loom)))]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        time::Duration,
    };

    use super::*;
    use crate::machine::{Settings, SlowAfter, State};

    #[test]
    fn a_panic_under_the_lock_does_not_take_the_service_down() {
        let factory = BreakerFactory::new(SlowAfter::Never);
        let machine = Machine::new(Settings::default(), 0).unwrap();
        let shared = SharedBreaker::new(&factory, "a".into(), machine, None, PooledShards::take());
        let now = Timestamp::START + Duration::from_secs(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| shared.update_at(now, |_, _| panic!("on purpose"))));
        assert!(panicked.is_err() && shared.state.is_poisoned());
        assert_eq!(shared.read(|state| state.machine.state(now)), State::Closed);
        let admitted = shared.update_at(now, LockedState::admit);
        assert!(admitted.is_ok());
    }
}
