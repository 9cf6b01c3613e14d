//! The handle of one breaker: how it is read, and how calls are admitted.
//!
//! A call tries the fast path first, then a refusal past the lock, then the lock. The handle holds
//! the breaker, and the block of shards beside it, so that a healthy call follows one pointer.

use std::{
    fmt,
    sync::{Arc, Weak},
    task::Waker,
    time::Duration,
};

use super::{
    fast_path::{Admission, FastPermit, FastRefusal, PooledShards, SlowPath},
    permit::{Call, Permit},
    shard_handle::{Refused, ShardHandle},
    shared::SharedBreaker,
    snapshot::Snapshot,
    state::LockedState,
};
use crate::{
    config::Config,
    error::CircuitOpen,
    machine::{Completion, Outcome, State, Timestamp},
    observe::Events,
};

/// A handle to one breaker: it reads it, operates it, and uses it without Tower. It is a cheap
/// clone of the layer's handle.
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{CircuitBreakerLayer, State};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let layer = CircuitBreakerLayer::builder().name("payments").build()?;
/// let breaker = layer.breaker().clone();
///
/// breaker.force_open("the database is being moved", Duration::from_secs(600));
/// assert_eq!(breaker.state(), State::Open);
/// assert!(breaker.try_acquire().is_err());
///
/// breaker.reset("moved");
/// assert_eq!(breaker.state(), State::Closed);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Breaker {
    /// One for each shard; their number is a power of 2.
    handles: Arc<[Arc<ShardHandle>]>,
    shards: PooledShards,
}

/// A handle that doesn't keep the breaker alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakBreaker {
    handles: Weak<[Arc<ShardHandle>]>,
}

impl Breaker {
    pub(super) fn new(shared: &Arc<SharedBreaker>) -> Self {
        let breaker = Self {
            handles: ShardHandle::for_each_shard(shared),
            shards: shared.shards.clone(),
        };
        breaker.shards.attach(breaker.downgrade());
        breaker
    }

    #[inline]
    pub(super) fn shared(&self) -> &SharedBreaker {
        &self.handles[0].shared
    }

    /// Returns the handle for the calling thread.
    #[inline(always)]
    pub(super) fn handle(&self) -> &Arc<ShardHandle> {
        &self.handles[self.shards.index()]
    }

    /// Returns the breaker's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared().name
    }

    /// Returns a permit to make one call now.
    ///
    /// # Errors
    ///
    /// Returns [`CircuitOpen`] where the breaker refuses the call; it says when to come back.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit, CircuitOpen> {
        self.acquire(false).map_err(|refused| refused.open)
    }

    /// Returns the state, which decides where calls go now.
    #[must_use]
    pub fn state(&self) -> State {
        let now = self.now();
        self.shared().count(now, |state| state.machine.state(now))
    }

    /// Returns everything there is to see of the breaker.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = self.now();
        self.shared().count(now, |state| {
            Snapshot::new(
                self.shared().name.clone(),
                state.machine.view(now),
                state.totals,
                state.in_flight(),
                state.last_error.as_deref().cloned(),
            )
        })
    }

    /// Subscribes to events from now on. The stream buffers up to [`Events::CAPACITY`] unread
    /// events; after that the oldest are dropped.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        self.shared().sinks.subscribe()
    }

    /// Returns the configuration that the breaker decides by.
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared().read(|state| Config {
            name: self.shared().name.clone(),
            settings: state.machine.settings().clone(),
        })
    }

    /// Returns a permit for a call. Where the primary may not have the call, it goes to the backup,
    /// if there is one.
    #[inline]
    pub(crate) fn acquire(&self, has_backup: bool) -> Result<Permit, Refused> {
        self.admit().or_else(|slow| self.acquire_slow(slow, has_backup))
    }

    /// Returns a permit on the fast path, or what [`acquire_slow`](Self::acquire_slow) takes.
    #[inline(always)]
    pub(crate) fn admit(&self) -> Result<Permit, SlowPath> {
        match self.shards.start() {
            Admission::Fast(word) => Ok(Permit::of(Call::Fast(FastPermit::new(&self.shards, word)))),
            Admission::FastTimed(word) => self.handle().start_timed(word),
            Admission::Slow => Err(SlowPath::default()),
        }
    }

    /// Returns a permit for a call that can't take the fast path; it goes to the backup, if there
    /// is one, where the primary may not have it.
    #[inline(never)]
    pub(crate) fn acquire_slow(&self, slow: SlowPath, has_backup: bool) -> Result<Permit, Refused> {
        match self.refuse(slow, has_backup) {
            Ok(refused) => Err(refused.by(self)),
            Err(now) => self.handle().acquire(now, has_backup),
        }
    }

    /// Like [`acquire_slow`](Self::acquire_slow), but for a call that has to wait for the primary's
    /// readiness first.
    pub(crate) fn acquire_waiting(&self, has_backup: bool) -> Result<Permit, Refused> {
        match self.refuse(SlowPath::default(), has_backup) {
            Ok(refused) => Err(refused.by(self)),
            Err(now) => self.acquire_waiting_at(now, has_backup),
        }
    }

    pub(crate) fn acquire_waiting_at(&self, now: Timestamp, has_backup: bool) -> Result<Permit, Refused> {
        self.handle().acquire_waiting(now, has_backup)
    }

    /// Refuses a call on the fast path; returns what the clock said where it has to take the lock.
    #[inline(always)]
    pub(crate) fn refuse(&self, slow: SlowPath, has_backup: bool) -> Result<FastRefusal, Timestamp> {
        let now = slow.now.unwrap_or_else(|| self.now());
        self.shards.refuse(has_backup, now).ok_or(now)
    }

    /// Returns a permit for a call that `poll_ready` granted while the breaker was closed. The call
    /// is made even if the breaker has tripped since; its outcome is stale then.
    pub(crate) fn acquire_reserved(&self) -> Permit {
        self.admit().unwrap_or_else(|slow| {
            let now = slow.now.unwrap_or_else(|| self.now());
            self.handle().acquire_reserved(now)
        })
    }

    /// Reserves a permit for a call that is made later; `None` where all calls flow, and no
    /// reservation is needed. It is valid for a limited time.
    pub(crate) fn reserve(&self) -> Result<Option<Permit>, CircuitOpen> {
        self.handle().reserve()
    }

    /// Returns whether this permit is still valid: no trip or manual change since, and no expired
    /// reservation.
    pub(crate) fn is_valid(&self, permit: &Permit) -> bool {
        let now = self.now();
        permit
            .ticket()
            .is_some_and(|ticket| self.shared().read(|state| state.machine.is_valid(ticket, now)))
    }

    /// Returns whether the breaker is closed by its own decision.
    #[cfg(feature = "console")]
    pub(crate) fn is_healthy(&self) -> bool {
        let now = self.now();
        self.shared().read(|state| state.machine.is_healthy(now))
    }

    /// Returns whether nothing would be lost with the breaker.
    #[cfg(feature = "keyed")]
    pub(crate) fn is_dispensable(&self) -> bool {
        let now = self.now();
        self.shared()
            .count(now, |state| state.machine.is_healthy(now) && state.in_flight() == 0)
    }

    /// Evicts the breaker and notifies its observers. Its memory may be kept for a while.
    #[cfg(feature = "keyed")]
    pub(crate) fn evict(&self) {
        self.update(|state, _| state.machine.evict());
        self.shared().sinks.end();
        if let Some(member) = &self.shared().member {
            member.leave();
        }
    }

    pub(crate) fn downgrade(&self) -> WeakBreaker {
        WeakBreaker {
            handles: Arc::downgrade(&self.handles),
        }
    }

    /// Reserves half-open trials for [`acquire_for_trial`](Self::acquire_for_trial), or undoes one
    /// reservation. Reservations nest.
    pub(crate) fn reserve_trials(&self, keep: bool) {
        self.update(|state, _| state.machine.reserve_trials(keep));
    }

    /// Returns a permit for a trial call that no caller makes, where there is one to be made.
    pub(crate) fn acquire_for_trial(&self) -> Option<Permit> {
        self.handle().acquire_for_trial()
    }

    /// Brings the breaker up to date: counts overdue calls, and trips on evidence that has lasted
    /// long enough.
    pub(crate) fn evaluate(&self) {
        self.update(|state, now| state.machine.evaluate(now));
    }

    /// Returns whether all calls go to the primary, without reading the clock where that can be
    /// told.
    #[inline]
    pub(crate) fn seems_flowing(&self) -> bool {
        self.shards.all_flow().unwrap_or_else(|| self.is_flowing())
    }

    /// Returns whether all calls go to the primary, so that its readiness is worth waiting for.
    pub(crate) fn is_flowing(&self) -> bool {
        self.update(|state, now| {
            state.machine.evaluate(now);
            state.is_flowing(now)
        })
    }

    /// Refuses a call because the primary's readiness failed.
    pub(crate) fn divert(&self, has_backup: bool) -> Refused {
        self.handle().divert(has_backup)
    }

    pub(crate) fn readiness_failed(&self) {
        let (counts, stamp) = self.shared().step(LockedState::readiness_failed);
        if let Some(stamp) = stamp {
            let completion = if counts {
                Completion::Finished(Outcome::Failure)
            } else {
                Completion::Refused
            };
            self.shared().notify_at_once(stamp, counts, completion);
        }
    }

    /// Counts an error of the primary's readiness.
    pub(crate) fn note_readiness_error(&self) {
        self.update(|state, _| state.totals.readiness.errors += 1);
    }

    pub(crate) fn waited_since(&self, since: Timestamp) {
        self.update(|state, now| state.waited(now.since(since)));
    }

    /// Returns how long until the breaker must be evaluated even if no call starts or ends.
    pub(crate) fn next_evaluation(&self) -> Option<Duration> {
        let now = self.now();
        let next = self.shared().count(now, LockedState::next_decision)?;
        Some(next.since(now))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared().now()
    }

    pub(crate) fn wake_at_change(&self, place: &mut Option<u64>, waker: &Waker) -> bool {
        self.shared().waiters.register(place, waker)
    }

    pub(crate) fn stop_waking(&self, place: u64) {
        self.shared().waiters.forget(place);
    }

    pub(super) fn update<R>(&self, change: impl FnOnce(&mut LockedState, Timestamp) -> R) -> R {
        self.shared().update(change)
    }
}

impl FastRefusal {
    /// Returns what the caller is told by the breaker that refused the call.
    #[inline(always)]
    pub(crate) fn open(&self, breaker: &Breaker) -> CircuitOpen {
        let name = breaker.shared().name_in_errors.clone();
        CircuitOpen::until(name, self.retry_at, self.now)
    }

    /// Returns the permit for what takes the primary's place. Must be called exactly once: a
    /// diverted call has been counted.
    #[inline(always)]
    pub(crate) fn permit(&self, breaker: &Breaker) -> Permit {
        if !self.diverts {
            Permit::UNTRACKED
        } else if self.is_timed {
            // The permit holds the breaker instead of its block.
            breaker.shards.count_slow_end();
            breaker.handle().backup_permit(self.now)
        } else {
            Permit::of(Call::Fast(FastPermit::diverted(&breaker.shards)))
        }
    }

    fn by(&self, breaker: &Breaker) -> Refused {
        Refused {
            open: self.open(breaker),
            permit: self.permit(breaker),
        }
    }
}

impl WeakBreaker {
    pub(crate) fn upgrade(&self) -> Option<Breaker> {
        self.handles.upgrade().map(|handles| Breaker {
            shards: handles[0].shared.shards.clone(),
            handles,
        })
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.handles.strong_count() > 0
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.snapshot();
        f.debug_struct("Breaker")
            .field("name", &snapshot.name)
            .field("state", &snapshot.state)
            .field("mode", &snapshot.mode)
            .field("share", &snapshot.share)
            .field("in_flight", &snapshot.in_flight)
            .field("totals", &snapshot.totals)
            .finish()
    }
}

#[cfg(all(test, not(breaker_loom)))]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::atomic::{AtomicBool, Ordering},
        task::Wake,
    };

    use super::*;
    use crate::{
        clock::Clock,
        layer::CircuitBreakerLayer,
        machine::{ConsecutiveFailures, Outcome, SlowAfter},
    };

    const ENDS: [fn(Permit); 6] = [
        |permit| permit.record(Outcome::Success),
        |permit| permit.record(Outcome::Failure),
        |permit| permit.record(Outcome::Ignored),
        drop,
        Permit::release,
        |mut permit| {
            permit.answered();
            permit.record(Outcome::Success);
        },
    ];

    /// Enough calls for some that are timed, and some that aren't.
    const CALLS: usize = 130;

    #[test]
    fn a_block_has_drained_once_its_calls_have_ended_in_whatever_way() {
        for slow_after in [SlowAfter::Never, Duration::from_secs(1).into()] {
            for end in ENDS {
                let layer = CircuitBreakerLayer::builder().slow_after(slow_after).build();
                let breaker = layer.expect("the settings are valid").breaker().clone();
                let permits = |count| (0..count).filter_map(|_| breaker.try_acquire().ok());
                let held: Vec<_> = permits(CALLS).collect();
                assert!(!breaker.shards.is_drained());
                held.into_iter().for_each(end);
                // The breaker may have opened.
                breaker.reset("a test");
                permits(CALLS).for_each(end);
                assert!(breaker.shards.is_drained());
            }
        }
    }

    #[test]
    fn a_block_has_drained_once_its_calls_to_the_backup_have_ended() {
        for end in ENDS {
            let layer = CircuitBreakerLayer::builder().build();
            let breaker = layer.expect("the settings are valid").breaker().clone();
            breaker.force_open("a test", None);
            let refused = (0..CALLS).filter_map(|_| breaker.acquire(true).err());
            let held: Vec<_> = refused.map(|refused| refused.permit).collect();
            assert!(!breaker.shards.is_drained());
            held.into_iter().for_each(end);
            assert!(breaker.shards.is_drained());
        }
    }

    #[test]
    fn a_block_drains_where_a_clock_panics() {
        #[derive(Clone, Debug, Default)]
        struct PanickingOnce(Arc<AtomicBool>);

        impl Clock for PanickingOnce {
            fn now(&self) -> Duration {
                assert!(!self.0.swap(false, Ordering::SeqCst), "on purpose");
                Duration::ZERO
            }
        }

        for slow_after in [SlowAfter::Never, SlowAfter::After(Duration::from_secs(1))] {
            for (index, end) in ENDS.into_iter().enumerate() {
                let clock = PanickingOnce::default();
                let layer = CircuitBreakerLayer::builder()
                    .slow_after(slow_after)
                    .clock(clock.clone());
                let layer = layer.build().expect("the settings are valid");
                let breaker = layer.breaker();
                breaker.try_acquire().unwrap().record(Outcome::Success);
                let permit = breaker.try_acquire().unwrap();
                clock.0.store(true, Ordering::SeqCst);
                let panicked = catch_unwind(AssertUnwindSafe(|| end(permit))).is_err();
                // Only a good call that isn't timed, the first one, ends without reading the clock.
                assert_eq!(panicked, index > 0 || slow_after != SlowAfter::Never);
                assert!(breaker.shards.is_drained());
            }
        }
    }

    #[test]
    fn a_block_drains_where_a_waker_panics() {
        struct Panicking;

        impl Wake for Panicking {
            fn wake(self: Arc<Self>) {
                panic!("on purpose")
            }
        }

        let policy = ConsecutiveFailures::of(1);
        let layer = CircuitBreakerLayer::builder()
            .slow_after(SlowAfter::Never)
            .trip_when(policy);
        let layer = layer.build().expect("the settings are valid");
        let breaker = layer.breaker();
        breaker.try_acquire().unwrap().record(Outcome::Success);
        let permit = breaker.try_acquire().unwrap();
        breaker.wake_at_change(&mut None, &Waker::from(Arc::new(Panicking)));
        assert!(catch_unwind(AssertUnwindSafe(|| permit.record(Outcome::Failure))).is_err());
        assert_eq!(breaker.snapshot().in_flight, 0);
        assert!(breaker.shards.is_drained());
    }
}
