//! The decisions, apart from everything else: no clock, no lock, no async, no I/O.
//!
//! A [`Machine`] is driven by whoever brings the time: the layer, a simulator, a recorded trace. It is told of each call's
//! start and end, and answers whether the primary may have the next one.
//!
//! ```
//! use std::time::Duration;
//! use tower_breaker::{Outcome, machine::{Ending, Machine, Settings, Timestamp}};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let mut machine = Machine::new(Settings::default(), 0)?;
//! let mut now = Timestamp::START;
//! while let Ok(ticket) = machine.admit(now) {
//!     now = now + Duration::from_millis(10);
//!     machine.settle(ticket, Ending::Finished(Outcome::Failure), now);
//! }
//! assert!(now >= Timestamp::START + Duration::from_millis(500));
//! # Ok(())
//! # }
//! ```

mod cooldown;
mod evidence;
mod invalid;
pub(crate) mod policy;
pub(crate) mod recovery;
mod settings;
mod tally;
mod ticket;
mod time;
mod view;
mod window;

use std::{sync::Arc, time::Duration};

pub(crate) use self::time::Rough;
pub use self::{
    cooldown::OpenDuration,
    evidence::{BucketView, Evidence},
    invalid::ConfigError,
    policy::{ConsecutiveFailures, CustomPolicy, FailureRate, Policy, SlowCallRate, TripPolicy, TripReason},
    recovery::Recovery,
    settings::{CancelledCalls, Settings},
    ticket::{Ending, Judgement, Outcome, Refusal, Settled, Ticket},
    time::Timestamp,
    view::{Mode, ModeView, PolicyReading, State, Transition, View},
    window::{Counts, SlidingWindow},
};
use self::{
    cooldown::{Chance, PATIENCE},
    recovery::{HalfOpen, Progress},
    tally::Tallies,
};

/// Closed for this long, the breaker forgets how often it has opened before.
const FORGETS_AFTER: Duration = Duration::from_secs(10);

/// An outage is said once, not at every call: the shadow mode's next word on it comes after this.
const SHADOW_QUIET: Duration = Duration::from_secs(10);

/// The state machine of one breaker.
#[derive(Clone, Debug)]
pub struct Machine {
    settings: Settings,
    mode: ModeView,
    phase: Phase,
    since: Timestamp,
    generation: u64,
    /// The number of the last opening (k), until the breaker has been closed for long enough to forget it.
    attempt: Option<u32>,
    last_trip: Option<TripReason>,
    /// Until when the primary asked to be left alone.
    paused_until: Timestamp,
    chance: Chance,
    latest: Timestamp,
    /// Each with its generation.
    transitions: Vec<(u64, Transition)>,
}

#[derive(Clone, Debug)]
enum Phase {
    Closed {
        tallies: Tallies,
        /// In shadow mode: until when the last would-be trip is enough said.
        quiet_until: Timestamp,
    },
    Open {
        until: Timestamp,
        /// Calls still to be refused before a trial.
        refusals_due: u32,
    },
    HalfOpen(HalfOpen),
}

impl Machine {
    /// A closed machine. The same `seed` gives the same jitter.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another.
    pub fn new(settings: Settings, seed: u64) -> Result<Self, ConfigError> {
        settings.check()?;
        Ok(Self {
            phase: Phase::closed(&settings, Timestamp::START),
            mode: ModeView::default(),
            since: Timestamp::START,
            generation: 1,
            attempt: None,
            last_trip: None,
            paused_until: Timestamp::START,
            chance: Chance::new(seed),
            latest: Timestamp::START,
            transitions: Vec::new(),
            settings,
        })
    }

    /// Whether the primary may have a call that starts at `now`.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that says when to come back.
    pub fn admit(&mut self, now: Timestamp) -> Result<Ticket, Refusal> {
        let now = self.catch_up(now);
        self.start_trial(now, self.ready_to_probe(now));
        let admitted = match &mut self.phase {
            Phase::Closed { .. } => true,
            Phase::Open { refusals_due, .. } => {
                *refusals_due = refusals_due.saturating_sub(1);
                false
            }
            Phase::HalfOpen(half_open) => half_open.admit(),
        };
        if admitted {
            Ok(self.ticket(now, None))
        } else {
            Err(self.refusal(now))
        }
    }

    /// Whether the primary may have a call that is promised now, and made later: see [`Ticket::is_promise`].
    ///
    /// Nobody sees how many calls a refused promise stands for, so only time is waited for here before a trial.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that says when to come back.
    pub fn promise(&mut self, now: Timestamp) -> Result<Ticket, Refusal> {
        let now = self.catch_up(now);
        self.start_trial(now, self.open_time_is_up(now));
        let until = now + self.lease();
        match &mut self.phase {
            Phase::Closed { .. } => Ok(self.ticket(now, None)),
            Phase::Open { .. } => Err(self.refusal(now)),
            Phase::HalfOpen(half_open) => match half_open.lease(until) {
                Some(lease) => Ok(self.ticket(now, Some(lease))),
                None => Err(self.refusal(now)),
            },
        }
    }

    /// Whether a promise still holds.
    #[must_use]
    pub fn holds(&self, ticket: &Ticket, now: Timestamp) -> bool {
        let now = self.latest.max(now);
        if !self.is_current(ticket) || self.mode.is_over(now) {
            return false;
        }
        match (ticket.lease(), &self.phase) {
            (None, _) => true,
            (Some(lease), Phase::HalfOpen(half_open)) => {
                // A stage that has passed takes its promises with it.
                half_open.holds(lease, now) && half_open.progress(&self.settings.recovery, now) == Progress::Stays
            }
            (Some(_), _) => false,
        }
    }

    /// Turns a promise into a call. `false` where it has run out: the call is then a [stranger](Ticket::stranger) to this machine.
    pub fn redeem(&mut self, ticket: &mut Ticket, now: Timestamp) -> bool {
        let now = self.catch_up(now);
        let redeemed = match (ticket.take_lease(), &mut self.phase) {
            _ if ticket.generation() != self.generation => false,
            (None, _) => true,
            (Some(lease), Phase::HalfOpen(half_open)) => half_open.redeem(lease),
            (Some(_), _) => false,
        };
        if !redeemed {
            *ticket = Ticket::stranger(now);
        }
        redeemed
    }

    /// A call is over.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is settled once")]
    pub fn settle(&mut self, ticket: Ticket, ending: Ending, now: Timestamp) -> Settled {
        let now = self.catch_up(now);
        if !self.is_current(&ticket) {
            return Settled::Stale;
        }
        if !ticket.is_recorded() {
            return Settled::Unrecorded;
        }
        let settled = ticket.judge(ending, self.settings.cancelled_calls, now);
        match &settled {
            Settled::Counted(judgement) => self.record(*judgement, now, now),
            Settled::Ignored | Settled::Cancelled | Settled::Unused => self.leave_undecided(&ticket, now),
            Settled::Stale | Settled::Unrecorded => {}
        }
        settled
    }

    /// A call of the current generation is still in flight though its time was up at `since`. Its end must not be settled as well.
    /// Whether it counted.
    pub fn overdue(&mut self, since: Timestamp, now: Timestamp) -> bool {
        self.record_unless_stale(Judgement::SLOW, Some(since), now)
    }

    /// A call that was [overdue](Self::overdue), of the current generation, has ended in a failure: that too is known of it now.
    pub fn overdue_failed(&mut self, now: Timestamp) {
        let generation = self.generation;
        let now = self.catch_up(now);
        if let Phase::Closed { tallies, .. } = &mut self.phase {
            if generation == self.generation {
                tallies.overdue_failed(now);
                self.trip_if_due(now);
            }
        }
    }

    /// Looks at the evidence again, for it may have lasted long enough by now.
    pub fn reconsider(&mut self, now: Timestamp) {
        let now = self.catch_up(now);
        if self.ripe_at().is_some_and(|ripe| ripe <= now) {
            self.trip_if_due(now);
        }
    }

    /// From when on the evidence, if it stays as it is, will have lasted long enough to trip.
    #[must_use]
    pub fn ripe_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Closed { tallies, .. } => tallies.ripe_at(),
            Phase::Open { .. } | Phase::HalfOpen(_) => None,
        }
    }

    /// A call of the current generation has been answering for as long as a probe is given, and hasn't failed: as a probe, that is
    /// good enough. Its end must not be settled as well.
    pub fn lasting(&mut self, now: Timestamp) {
        self.record_unless_stale(Judgement::default(), None, now);
    }

    /// The primary asked, with this call's answer, to be left alone for so long: see [`OpenDuration::honour_retry_after`].
    pub fn asked_for_pause(&mut self, ticket: &Ticket, pause: Duration, now: Timestamp) {
        let now = self.catch_up(now);
        if self.is_current(ticket) {
            self.paused_until = now + pause;
        }
    }

    /// Whether all calls go to the primary.
    pub fn is_flowing(&mut self, now: Timestamp) -> bool {
        self.catch_up(now);
        matches!(self.phase, Phase::Closed { .. })
    }

    /// Whether outcomes are recorded: in each mode but [`Mode::Disabled`].
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.mode.mode != Mode::Disabled
    }

    /// Grows with each trip and each manual change, and when half-open is given another recovery; what was admitted before is stale.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether an outcome of this ticket would still count.
    #[must_use]
    pub fn is_current(&self, ticket: &Ticket) -> bool {
        ticket.generation() == self.generation
    }

    /// What the machine decides by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sets the mode by hand, for as long as `ttl` says, or for good.
    pub fn set_mode(&mut self, mode: Mode, reason: Arc<str>, ttl: Option<Duration>, now: Timestamp) {
        let now = self.catch_up(now);
        self.change_mode(mode, reason, ttl.map(|ttl| now + ttl), now);
    }

    /// Closes, forgets everything, and goes back to [`Mode::Automatic`], from any state.
    pub fn reset(&mut self, reason: Arc<str>, now: Timestamp) {
        let now = self.catch_up(now);
        self.mode = ModeView::default();
        self.attempt = None;
        self.last_trip = None;
        self.paused_until = Timestamp::START;
        self.enter_new_generation(Phase::closed(&self.settings, now), now);
        self.note(Transition::Reset { reason });
    }

    /// Goes on under other settings: state, counts and calls in flight are kept.
    ///
    /// Windows keep what fits. An open time that has begun runs on. Another recovery, while half-open, starts with its probe.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another; nothing has changed then.
    pub fn reconfigure(&mut self, settings: Settings, now: Timestamp) -> Result<(), ConfigError> {
        settings.check()?;
        let now = self.catch_up(now);
        let other_recovery = settings.recovery != self.settings.recovery;
        self.settings = settings;
        match &mut self.phase {
            Phase::Closed { tallies, .. } => *tallies = tallies.clone().under(&self.settings.trip_when, now),
            Phase::HalfOpen(_) if other_recovery => {
                let half_open = self.half_open(now);
                self.enter_new_generation(Phase::HalfOpen(half_open), now);
            }
            Phase::Open { .. } | Phase::HalfOpen(_) => {}
        }
        self.note(Transition::Reconfigured);
        Ok(())
    }

    /// What has changed since this was last asked, oldest first. It is kept until then: a driver should ask now and then.
    pub fn take_transitions(&mut self) -> Vec<Transition> {
        self.take_changes()
            .into_iter()
            .map(|(_, transition)| transition)
            .collect()
    }

    /// As [`take_transitions`](Self::take_transitions), each with the generation that it began or happened in.
    pub fn take_changes(&mut self) -> Vec<(u64, Transition)> {
        std::mem::take(&mut self.transitions)
    }

    /// Brings the machine to `now`, or to the latest moment it knows of: a clock that went back stands still here.
    fn catch_up(&mut self, now: Timestamp) -> Timestamp {
        let now = self.latest.max(now);
        self.latest = now;
        if self.mode.is_over(now) {
            self.change_mode(Mode::Automatic, "its time is up".into(), None, now);
        }
        if let Phase::HalfOpen(half_open) = &mut self.phase {
            half_open.drop_lapsed_leases(now);
            let progress = half_open.progress(&self.settings.recovery, now);
            self.follow(progress, now);
        }
        now
    }

    fn record_unless_stale(&mut self, judgement: Judgement, since: Option<Timestamp>, now: Timestamp) -> bool {
        let generation = self.generation;
        let now = self.catch_up(now);
        // A mode whose time was up may have begun a new one just now.
        let counts = generation == self.generation && self.is_recording();
        if counts {
            self.record(judgement, since.unwrap_or(now).min(now), now);
        }
        counts
    }

    fn record(&mut self, judgement: Judgement, at: Timestamp, now: Timestamp) {
        match &mut self.phase {
            Phase::Closed { quiet_until, .. } if now < *quiet_until => {}
            Phase::Closed { tallies, .. } => {
                tallies.record(judgement, at, now);
                self.trip_if_due(now);
            }
            Phase::HalfOpen(half_open) => {
                let progress = half_open.judge(&self.settings.recovery, judgement, at, now);
                self.follow(progress, now);
            }
            Phase::Open { .. } => {}
        }
    }

    fn leave_undecided(&mut self, ticket: &Ticket, now: Timestamp) {
        let Phase::HalfOpen(half_open) = &mut self.phase else {
            return;
        };
        match ticket.lease() {
            // A promise that was given up says nothing, about the primary or its callers.
            Some(lease) => {
                if half_open.redeem(lease) {
                    half_open.give_back();
                }
            }
            None => {
                let progress = half_open.undecided(now);
                self.follow(progress, now);
            }
        }
    }

    fn follow(&mut self, progress: Progress, now: Timestamp) {
        let Phase::HalfOpen(half_open) = &mut self.phase else {
            return;
        };
        match progress {
            Progress::Stays => {}
            Progress::Moves { to, reason } => {
                let from = half_open.share(&self.settings.recovery);
                half_open.move_to(&self.settings.recovery, to, now);
                let to = half_open.share(&self.settings.recovery);
                self.note(Transition::ShareChanged { from, to, reason });
            }
            Progress::Closes => {
                self.enter(Phase::closed(&self.settings, now), now);
                self.note(Transition::Closed);
            }
            Progress::Reopens(reason) => self.trip(reason, now),
        }
    }

    fn trip_if_due(&mut self, now: Timestamp) {
        if let Phase::Closed { tallies, .. } = &self.phase {
            if let Some(reason) = tallies.trip(now) {
                self.trip(reason, now);
            }
        }
    }

    fn trip(&mut self, reason: TripReason, now: Timestamp) {
        let from = self.phase.state();
        if from == State::Closed && now.since(self.since) >= FORGETS_AFTER {
            self.attempt = None;
        }
        self.last_trip = Some(reason.clone());
        if self.mode.mode == Mode::Shadow {
            self.phase = Phase::Closed {
                tallies: Tallies::new(&self.settings.trip_when, now),
                quiet_until: now + SHADOW_QUIET,
            };
            self.note(Transition::WouldHaveTripped { reason });
            return;
        }
        let attempt = self.attempt.map_or(0, |last| last.saturating_add(1));
        let asked_for = self.paused_until.since(now);
        let open_for = self.settings.open_duration.of(attempt, self.chance.next(), asked_for);
        self.attempt = Some(attempt);
        let phase = Phase::Open {
            until: now + open_for,
            refusals_due: self.settings.open_duration.refusals(attempt),
        };
        self.enter_new_generation(phase, now);
        self.note(Transition::Opened {
            from,
            reason,
            open_for,
            attempt,
        });
    }

    fn change_mode(&mut self, mode: Mode, reason: Arc<str>, reverts_at: Option<Timestamp>, now: Timestamp) {
        let reverts_at = reverts_at.filter(|_| mode != Mode::Automatic);
        let from = std::mem::replace(
            &mut self.mode,
            ModeView {
                mode,
                reason: Some(reason.clone()).filter(|_| mode != Mode::Automatic),
                reverts_at,
            },
        );
        if from.mode == Mode::Automatic && mode == Mode::Automatic {
            return;
        }
        let phase = match (from.mode, mode) {
            (_, Mode::ForcedOpen) => Phase::Open {
                until: Timestamp::from_nanos(u64::MAX),
                refusals_due: 0,
            },
            // Whoever shut it may be wrong about the primary: access returns by way of a probe.
            (Mode::ForcedOpen, Mode::Automatic) => Phase::Open {
                until: now,
                refusals_due: 0,
            },
            (_, Mode::Automatic | Mode::Disabled | Mode::Shadow) => Phase::closed(&self.settings, now),
        };
        self.attempt = None;
        self.enter_new_generation(phase, now);
        self.note(Transition::ModeChanged {
            from: from.mode,
            to: mode,
            reason,
            reverts_after: reverts_at.map(|at| at.since(now)),
        });
    }

    fn note(&mut self, transition: Transition) {
        self.transitions.push((self.generation, transition));
    }

    fn enter_new_generation(&mut self, phase: Phase, now: Timestamp) {
        self.generation += 1;
        self.enter(phase, now);
    }

    fn enter(&mut self, phase: Phase, now: Timestamp) {
        self.phase = phase;
        self.since = now;
    }

    fn start_trial(&mut self, now: Timestamp, ready: bool) {
        if ready {
            let half_open = self.half_open(now);
            self.enter(Phase::HalfOpen(half_open), now);
            self.note(Transition::HalfOpened {
                attempt: self.attempt.unwrap_or(0),
            });
        }
    }

    fn half_open(&self, now: Timestamp) -> HalfOpen {
        let weight = self.settings.trip_when.evidence().weight();
        HalfOpen::new(&self.settings.recovery, weight, now)
    }

    fn open_time_is_up(&self, now: Timestamp) -> bool {
        match self.phase {
            Phase::Open { until, .. } => until <= now && self.mode.mode != Mode::ForcedOpen,
            _ => false,
        }
    }

    fn ready_to_probe(&self, now: Timestamp) -> bool {
        let Phase::Open { refusals_due, .. } = self.phase else {
            return false;
        };
        self.open_time_is_up(now) && (refusals_due == 0 || now.since(self.since) >= PATIENCE)
    }

    fn lease(&self) -> Duration {
        self.settings
            .recovery
            .lease(self.settings.slow_after, self.attempt.unwrap_or(0))
    }

    fn ticket(&self, now: Timestamp, lease: Option<u64>) -> Ticket {
        let time_limit = matches!(self.phase, Phase::HalfOpen(_)).then(|| self.lease());
        let ticket = Ticket::new(self.generation, now, self.settings.slow_after, time_limit, lease);
        if self.is_recording() {
            ticket
        } else {
            ticket.unrecorded()
        }
    }

    /// What a caller is told whose call goes elsewhere at `now`.
    #[must_use]
    pub fn refusal(&self, now: Timestamp) -> Refusal {
        Refusal {
            retry_after: self.retry_after(now),
        }
    }
}

impl Phase {
    fn closed(settings: &Settings, now: Timestamp) -> Self {
        Self::Closed {
            tallies: Tallies::new(&settings.trip_when, now),
            quiet_until: Timestamp::START,
        }
    }

    fn state(&self) -> State {
        match self {
            Self::Closed { .. } => State::Closed,
            Self::Open { .. } => State::Open,
            Self::HalfOpen(_) => State::HalfOpen,
        }
    }
}
