mod clock;
mod inflight;
mod permit;
mod shared;
mod totals;
mod trail;
mod waiters;

use std::{fmt, sync::Arc, task::Waker, time::Duration};

pub(crate) use self::clock::TokioClock;
pub use self::{
    clock::Clock,
    permit::Permit,
    totals::{CallTotals, ReadinessTotals, Totals},
};
use self::{
    shared::{Announcement, Core, Shared, Watched},
    trail::Trail,
    waiters::Waiters,
};
use crate::{
    call_record::{CallOutcome, CallRecord, Look, Moment},
    config::Config,
    error::CircuitOpen,
    event::{Event, Events, Listeners, Observer},
    machine::{ConfigError, Machine, Mode, Refusal, SlowAfter, State, Ticket, Timestamp, View},
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
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    clock: Box<dyn Clock>,
    shared: Shared,
    waiters: Waiters,
    listeners: Listeners,
}

/// What there is to see of a breaker. Looking changes nothing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The breaker's name.
    pub name: Arc<str>,
    /// State, share, mode, counts: what it decides by, and what it has decided.
    pub view: View,
    /// What it has seen since it was made.
    pub totals: Totals,
    /// Calls to the primary that have been started and haven't ended.
    pub in_flight: u64,
}

impl Breaker {
    pub(crate) fn new(
        config: Config,
        auto: SlowAfter,
        seed: u64,
        clock: Box<dyn Clock>,
        observers: Vec<Box<dyn Observer>>,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let Config { name, settings } = config;
        Ok(Self {
            inner: Arc::new(Inner {
                name,
                clock,
                shared: Shared::new(Machine::with_auto_as(auto, settings, seed)?),
                waiters: Waiters::default(),
                listeners: Listeners::new(observers),
            }),
        })
    }

    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The right to make one call now.
    ///
    /// # Errors
    ///
    /// [`CircuitOpen`] where the breaker refuses the call; it says when to come back.
    pub fn try_acquire(&self) -> Result<Permit, CircuitOpen> {
        self.acquire(Core::admit)
    }

    /// Where the calls go now.
    #[must_use]
    pub fn state(&self) -> State {
        let now = self.now();
        self.inner.shared.read(|core| core.machine.state(now))
    }

    /// Everything there is to see.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = self.now();
        self.inner.shared.read(|core| Snapshot {
            name: self.inner.name.clone(),
            view: core.machine.view(now),
            totals: core.totals,
            in_flight: core.in_flight,
        })
    }

    /// The events from here on, as a stream: of the last [`Events::CAPACITY`] that haven't been read, none is lost.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        self.inner.listeners.subscribe()
    }

    /// What it decides by.
    #[must_use]
    pub fn config(&self) -> Config {
        self.inner.shared.read(|core| Config {
            name: self.inner.name.clone(),
            settings: core.machine.settings().clone(),
        })
    }

    /// Refuses all calls, until told otherwise or for as long as `ttl` says (a [`Duration`], or `None` for good). After that, access
    /// returns by way of a probe.
    pub fn force_open(&self, reason: impl Into<Arc<str>>, ttl: impl Into<Option<Duration>>) {
        self.set_mode(Mode::ForcedOpen, reason.into(), ttl.into());
    }

    /// Sends all calls to the primary and records nothing, until told otherwise or for as long as `ttl` says.
    pub fn disable(&self, reason: impl Into<Arc<str>>, ttl: impl Into<Option<Duration>>) {
        self.set_mode(Mode::Disabled, reason.into(), ttl.into());
    }

    /// Sends all calls to the primary, records them, and says when the breaker would have tripped (at most once in 10 s),
    /// until told otherwise or for as long as `ttl` says.
    pub fn shadow(&self, reason: impl Into<Arc<str>>, ttl: impl Into<Option<Duration>>) {
        self.set_mode(Mode::Shadow, reason.into(), ttl.into());
    }

    /// Lets the breaker decide again.
    pub fn automatic(&self, reason: impl Into<Arc<str>>) {
        self.set_mode(Mode::Automatic, reason.into(), None);
    }

    /// Closes the breaker and forgets everything it decides by, a manual mode and what it has learned of the latency included, from any
    /// state. The [`Totals`] go on.
    pub fn reset(&self, reason: impl Into<Arc<str>>) {
        let reason = reason.into();
        self.update(|core, now| core.machine.reset(reason, now));
    }

    /// Goes on under another configuration; state, counts and what was learned of the latency are kept, and so is the name.
    ///
    /// Windows keep what fits. An open time that has begun runs on. Another recovery, while half-open, starts with its probe.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another; nothing has changed then.
    pub fn reconfigure(&self, config: Config) -> Result<(), ConfigError> {
        config.check()?;
        self.update(|core, now| core.machine.reconfigure(config.settings, now))
    }

    fn set_mode(&self, mode: Mode, reason: Arc<str>, ttl: Option<Duration>) {
        self.update(|core, now| core.machine.set_mode(mode, reason, ttl, now));
    }

    /// A permit for a call that has to wait for the primary's readiness first.
    pub(crate) fn acquire_waiting(&self) -> Result<Permit, CircuitOpen> {
        self.acquire(|core, now| {
            core.admit(now).map(|mut ticket| {
                ticket.wait();
                ticket
            })
        })
    }

    /// A permit for a call that was promised when the breaker was closed: it is honoured, though its outcome may be stale.
    pub(crate) fn acquire_promised(&self) -> Permit {
        let ((ticket, watch), moment) = self.step(|core, now| {
            let ticket = core.admit_promised(now);
            core.watched(ticket, now)
        });
        let trail = moment.map(|moment| Trail::new(moment, ticket.has_started()));
        Permit::primary(self.clone(), ticket, watch, trail)
    }

    /// A permit for a call that may be made within the time that a promise holds. None is needed where all calls flow.
    pub(crate) fn promise(&self) -> Result<Option<Permit>, CircuitOpen> {
        self.update(Core::promise)
            .map(|ticket| ticket.map(|ticket| Permit::primary(self.clone(), ticket, Watched::No, None)))
            .map_err(|refusal| self.circuit_open(refusal))
    }

    /// Whether the machine still stands by this permit: no trip or manual change since, and no promise run out.
    pub(crate) fn honours(&self, permit: &Permit) -> bool {
        let now = self.now();
        permit
            .ticket()
            .is_some_and(|ticket| self.inner.shared.read(|core| core.machine.holds(ticket, now)))
    }

    /// The permit of a call that the primary may not have: a backup's calls are counted, a rejection is no call.
    pub(crate) fn refused_permit(&self, has_backup: bool) -> Permit {
        if !has_backup {
            return Permit::of_nothing(self.clone());
        }
        self.backup_permit(|_| ())
    }

    /// The permit of a call to the backup, of what failed on the primary.
    pub(crate) fn failed_over_permit(&self) -> Permit {
        self.backup_permit(|core| core.totals.failed_over += 1)
    }

    fn backup_permit(&self, note: impl FnOnce(&mut Core)) -> Permit {
        let started = self.update(|core, now| {
            core.totals.backup.calls += 1;
            note(core);
            now
        });
        Permit::backup(self.clone(), started)
    }

    /// Brings the breaker up to date: what is overdue is found, and evidence that has lasted long enough trips.
    pub(crate) fn look(&self) {
        self.update(|core, now| core.machine.reconsider(now));
    }

    /// Whether all calls go to the primary, so that its readiness is worth waiting for.
    pub(crate) fn is_flowing(&self) -> bool {
        self.update(|core, now| {
            core.machine.reconsider(now);
            core.machine.is_flowing(now)
        })
    }

    /// A call goes elsewhere because the primary's readiness failed.
    pub(crate) fn divert(&self) -> CircuitOpen {
        let refusal = self.update(|core, now| {
            core.totals.refused += 1;
            core.machine.refusal(now)
        });
        self.circuit_open(refusal)
    }

    pub(crate) fn readiness_failed(&self) {
        let (counts, moment) = self.step(Core::readiness_failed);
        if let Some(moment) = moment {
            let outcome = if counts {
                CallOutcome::Failure
            } else {
                CallOutcome::Refused
            };
            self.tell_call(&Trail::new(moment, counts).record(self.inner.name.clone(), outcome, moment));
        }
    }

    /// The primary's readiness failed, whatever else that leads to.
    pub(crate) fn note_readiness_error(&self) {
        self.update(|core, _| core.totals.readiness.errors += 1);
    }

    pub(crate) fn waited_since(&self, since: Timestamp) {
        self.update(|core, now| core.waited(now.since(since)));
    }

    /// In how long there may be something to decide though nothing happens.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        let now = self.now();
        let next = self.inner.shared.read(Core::next_look)?;
        Some(next.since(now))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now().into()
    }

    pub(crate) fn wake_at_change(&self, place: &mut Option<u64>, waker: &Waker) -> bool {
        self.inner.waiters.register(place, waker)
    }

    pub(crate) fn stop_waking(&self, place: u64) {
        self.inner.waiters.forget(place);
    }

    fn acquire(
        &self,
        admit: impl FnOnce(&mut Core, Timestamp) -> Result<Ticket, Refusal>,
    ) -> Result<Permit, CircuitOpen> {
        let (admitted, moment) = self.step(|core, now| {
            let ticket = admit(core, now)?;
            Ok(core.watched(ticket, now))
        });
        match admitted {
            Ok((ticket, watch)) => {
                let trail = moment.map(|moment| Trail::new(moment, ticket.has_started()));
                Ok(Permit::primary(self.clone(), ticket, watch, trail))
            }
            Err(refusal) => {
                if let Some(moment) = moment {
                    let name = self.inner.name.clone();
                    self.tell_call(&Trail::new(moment, false).record(name, CallOutcome::Refused, moment));
                }
                Err(self.circuit_open(refusal))
            }
        }
    }

    fn circuit_open(&self, refusal: Refusal) -> CircuitOpen {
        CircuitOpen::new(self.inner.name.clone(), refusal.retry_after)
    }

    /// Changes what is shared, then, with the lock released and the state stored, tells whoever wants to know.
    fn update<R>(&self, change: impl FnOnce(&mut Core, Timestamp) -> R) -> R {
        let now = self.now();
        let (result, announcement) = self.inner.shared.update(now, |core| change(core, now));
        let look = announcement.look;
        if !announcement.changes.is_empty() {
            self.announce(announcement, now);
        }
        if let Some(moment) = look.filter(|_| self.inner.listeners.wants_calls()) {
            self.inner.listeners.tell_look(&Look {
                breaker: self.inner.name.clone(),
                moment,
            });
        }
        result
    }

    /// As [`update`](Self::update), for a step of a call; and when it was, where anybody wants to be told.
    fn step<R>(&self, change: impl FnOnce(&mut Core, Timestamp) -> R) -> (R, Option<Moment>) {
        let traced = self.inner.listeners.wants_calls();
        self.update(|core, now| {
            let moment = traced.then(|| core.moment(now));
            (change(core, now), moment)
        })
    }

    #[cold]
    fn tell_call(&self, call: &CallRecord) {
        self.inner.listeners.tell_call(call);
    }

    #[cold]
    fn announce(&self, announcement: Announcement, at: Timestamp) {
        self.inner.waiters.wake_all();
        for (sequence, (generation, transition)) in (announcement.sequence..).zip(announcement.changes) {
            self.inner.listeners.tell(&Event {
                breaker: self.inner.name.clone(),
                generation,
                sequence,
                at,
                transition,
            });
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot {
            name,
            view,
            totals,
            in_flight,
        } = self.snapshot();
        f.debug_struct("Breaker")
            .field("name", &name)
            .field("state", &view.state)
            .field("mode", &view.mode.mode)
            .field("share", &view.share)
            .field("in_flight", &in_flight)
            .field("totals", &totals)
            .finish()
    }
}
