mod by_hand;
mod count;
mod factory;
pub(crate) mod handle;
mod inflight;
mod inner;
mod keeper;
mod kept;
mod lane;
mod lanes;
mod last_error;
mod pass;
mod permit;
mod shared;
mod slots;
mod snapshot;
mod totals;
mod trail;
mod waiters;

use std::{
    fmt,
    sync::{Arc, Weak},
    task::Waker,
    time::Duration,
};

pub(crate) use self::lanes::Stopped;
pub(crate) use self::{factory::BreakerFactory, handle::Refused};
use self::{
    handle::Handle,
    inner::Inner,
    kept::KeptLanes,
    lanes::{LaneRefusal, Way, shared},
    pass::Pass,
};
pub use self::{
    last_error::LastError,
    permit::Permit,
    snapshot::Snapshot,
    totals::{CallTotals, ReadinessTotals, Totals},
};
use crate::{
    config::Config,
    error::CircuitOpen,
    machine::{Outcome, State, Timestamp},
    observe::{Completion, Events},
    sync::{thread_number, thread_number_if_known},
};

/// The handle of one breaker: look at it, steer it, or use it without Tower. A cheap clone of the one that the layer holds.
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
    /// One for each lane, and one where there is none; their number is a power of 2.
    handles: Arc<[Arc<Handle>]>,
    lanes: KeptLanes,
}

/// A handle that doesn't keep the breaker alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakBreaker {
    handles: Weak<[Arc<Handle>]>,
}

impl Breaker {
    fn new(inner: &Arc<Inner>) -> Self {
        let breaker = Self {
            handles: Handle::for_each_lane(inner),
            lanes: inner.shared.lanes().clone(),
        };
        breaker.lanes.belong_to(breaker.downgrade());
        breaker
    }

    #[inline]
    fn inner(&self) -> &Inner {
        &self.handles[0].inner
    }

    /// The handle for the thread that asks.
    #[inline(always)]
    fn handle(&self) -> &Arc<Handle> {
        self.handles
            .get(thread_number_if_known())
            .unwrap_or_else(|| self.handle_among_others())
    }

    #[inline(never)]
    fn handle_among_others(&self) -> &Arc<Handle> {
        &self.handles[shared(thread_number(), self.handles.len())]
    }

    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner().name
    }

    /// The right to make one call now.
    ///
    /// # Errors
    ///
    /// [`CircuitOpen`] where the breaker refuses the call; it says when to come back.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit, CircuitOpen> {
        self.acquire(false).map_err(|refused| refused.open)
    }

    /// Where the calls go now.
    #[must_use]
    pub fn state(&self) -> State {
        let now = self.now();
        self.inner().shared.count(now, |core, _| core.machine.state(now))
    }

    /// Everything there is to see.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = self.now();
        self.inner().shared.count(now, |core, lanes| {
            Snapshot::new(
                self.inner().name.clone(),
                core.machine.view(now),
                core.totals(lanes),
                core.in_flight(lanes),
                core.last_error.as_deref().cloned(),
            )
        })
    }

    /// The events from here on, as a stream: of the last [`Events::CAPACITY`] that haven't been read, none is lost.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        self.inner().sinks.subscribe()
    }

    /// What it decides by.
    #[must_use]
    pub fn config(&self) -> Config {
        self.inner().shared.read(|core| Config {
            name: self.inner().name.clone(),
            settings: core.machine.settings().clone(),
        })
    }

    /// A permit for a call, which goes to the backup, if there is one, where the primary may not have it.
    #[inline]
    pub(crate) fn acquire(&self, has_backup: bool) -> Result<Permit, Refused> {
        self.pass().or_else(|stopped| self.acquire_stopped(stopped, has_backup))
    }

    /// A permit for a call of a healthy primary that nobody has to look at; or what [`acquire_stopped`](Self::acquire_stopped) takes.
    #[inline(always)]
    pub(crate) fn pass(&self) -> Result<Permit, Stopped> {
        match self.lanes.start() {
            Way::Passes(terms) => Ok(Permit::passed(Pass::new(&self.lanes, terms))),
            Way::Timed(terms) => self.handle().pass_timed(terms),
            Way::Stopped => Err(None),
        }
    }

    /// A permit for a call that may not pass: it goes to the backup, if there is one, where the primary may not have it.
    #[inline(never)]
    pub(crate) fn acquire_stopped(&self, stopped: Stopped, has_backup: bool) -> Result<Permit, Refused> {
        match self.refuse(stopped, has_backup) {
            Ok(refused) => Err(refused.by(self)),
            Err(now) => self.handle().acquire(now, has_backup),
        }
    }

    /// As [`acquire_stopped`](Self::acquire_stopped), for a call that has to wait for the primary's readiness first.
    pub(crate) fn acquire_waiting(&self, has_backup: bool) -> Result<Permit, Refused> {
        match self.refuse(None, has_backup) {
            Ok(refused) => Err(refused.by(self)),
            Err(now) => self.acquire_waiting_at(now, has_backup),
        }
    }

    pub(crate) fn acquire_waiting_at(&self, now: Timestamp, has_backup: bool) -> Result<Permit, Refused> {
        self.handle().acquire_waiting(now, has_backup)
    }

    /// Refuses a call past the lock; or says what the clock said, where somebody has to look at it.
    #[inline(always)]
    pub(crate) fn refuse(&self, stopped: Stopped, has_backup: bool) -> Result<LaneRefusal, Timestamp> {
        let now = stopped.unwrap_or_else(|| self.now());
        self.lanes.refuse(has_backup, now).ok_or(now)
    }

    /// A permit for a call that was promised when the breaker was closed: it is honoured, though its outcome may be stale.
    pub(crate) fn acquire_reserved(&self) -> Permit {
        self.pass().unwrap_or_else(|stopped| {
            let now = stopped.unwrap_or_else(|| self.now());
            self.handle().acquire_reserved(now)
        })
    }

    /// A permit for a call that may be made within the time that a promise holds. None is needed where all calls flow.
    pub(crate) fn reserve(&self) -> Result<Option<Permit>, CircuitOpen> {
        self.handle().reserve()
    }

    /// Whether the machine still stands by this permit: no trip or manual change since, and no promise run out.
    pub(crate) fn is_valid(&self, permit: &Permit) -> bool {
        let now = self.now();
        permit
            .ticket()
            .is_some_and(|ticket| self.inner().shared.read(|core| core.machine.is_valid(ticket, now)))
    }

    /// Whether it is closed, by its own decision.
    #[cfg(feature = "console")]
    pub(crate) fn is_healthy(&self) -> bool {
        let now = self.now();
        self.inner().shared.read(|core| core.machine.is_healthy(now))
    }

    /// Whether nothing would be lost with it.
    #[cfg(feature = "keyed")]
    pub(crate) fn is_dispensable(&self) -> bool {
        let now = self.now();
        self.inner().shared.count(now, |core, lanes| {
            core.machine.is_healthy(now) && core.in_flight(lanes) == 0
        })
    }

    /// Gives it up, and says so. Its memory may be kept for a while.
    #[cfg(feature = "keyed")]
    pub(crate) fn evict(&self) {
        self.update(|core, _, _| core.machine.evict());
        self.inner().sinks.end();
        if let Some(member) = &self.inner().member {
            member.leave();
        }
    }

    pub(crate) fn downgrade(&self) -> WeakBreaker {
        WeakBreaker {
            handles: Arc::downgrade(&self.handles),
        }
    }

    /// Whether trials are kept for [`acquire_for_trial`](Self::acquire_for_trial): as many have to let go as keep them.
    pub(crate) fn reserve_trials(&self, keep: bool) {
        self.update(|core, _, _| core.machine.reserve_trials(keep));
    }

    /// A permit for a call of the trial, where there is one to be made, by somebody who isn't a caller.
    pub(crate) fn acquire_for_trial(&self) -> Option<Permit> {
        self.handle().acquire_for_trial()
    }

    /// Brings the breaker up to date: what is overdue is found, and evidence that has lasted long enough trips.
    pub(crate) fn evaluate(&self) {
        self.update(|core, _, now| core.machine.evaluate(now));
    }

    /// Whether all calls go to the primary, as far as can be told without asking what the time is.
    #[inline]
    pub(crate) fn seems_flowing(&self) -> bool {
        self.lanes.all_flow().unwrap_or_else(|| self.is_flowing())
    }

    /// Whether all calls go to the primary, so that its readiness is worth waiting for.
    pub(crate) fn is_flowing(&self) -> bool {
        self.update(|core, _, now| {
            core.machine.evaluate(now);
            core.is_flowing(now)
        })
    }

    /// A call goes elsewhere because the primary's readiness failed.
    pub(crate) fn divert(&self, has_backup: bool) -> Refused {
        self.handle().divert(has_backup)
    }

    pub(crate) fn readiness_failed(&self) {
        let (counts, moment) = self.inner().step(|core, _, now| core.readiness_failed(now));
        if let Some(moment) = moment {
            let outcome = if counts {
                Completion::Finished(Outcome::Failure)
            } else {
                Completion::Refused
            };
            self.inner().notify_immediate(moment, counts, outcome);
        }
    }

    /// The primary's readiness failed, whatever else that leads to.
    pub(crate) fn note_readiness_error(&self) {
        self.update(|core, _, _| core.totals.readiness.errors += 1);
    }

    pub(crate) fn waited_since(&self, since: Timestamp) {
        self.update(|core, _, now| core.waited(now.since(since)));
    }

    /// In how long there may be something to decide though nothing happens.
    pub(crate) fn next_evaluation(&self) -> Option<Duration> {
        let now = self.now();
        let next = self.inner().shared.count(now, shared::Core::next_decision)?;
        Some(next.since(now))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner().now()
    }

    pub(crate) fn wake_at_change(&self, place: &mut Option<u64>, waker: &Waker) -> bool {
        self.inner().waiters.register(place, waker)
    }

    pub(crate) fn stop_waking(&self, place: u64) {
        self.inner().waiters.forget(place);
    }

    fn update<R>(&self, change: impl FnOnce(&mut shared::Core, &lanes::Lanes, Timestamp) -> R) -> R {
        self.inner().update(change)
    }
}

impl LaneRefusal {
    /// What the caller is told by the breaker that refused the call.
    #[inline(always)]
    pub(crate) fn open(&self, breaker: &Breaker) -> CircuitOpen {
        let name = breaker.inner().name_in_errors.clone();
        CircuitOpen::until(name, self.retry_at, self.now)
    }

    /// For what takes the primary's place, behind the breaker that refused the call.
    #[inline(always)]
    pub(crate) fn permit(&self, breaker: &Breaker) -> Permit {
        if !self.diverts {
            Permit::OF_NOTHING
        } else if self.is_timed {
            Permit::backup(breaker.handle().clone(), self.now)
        } else {
            Permit::diverted(Pass::new(&breaker.lanes, self.terms))
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
            lanes: handles[0].inner.shared.lanes().clone(),
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
