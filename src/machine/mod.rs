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

mod batch;
mod control;
mod cooldown;
mod evidence;
mod group;
mod half_open;
mod invalid;
mod latency;
mod overdue;
pub(crate) mod policy;
mod promise;
mod reason;
pub(crate) mod recovery;
mod settings;
mod tally;
mod ticket;
mod time;
mod trip;
mod view;
mod window;
mod yardstick;

use std::{sync::Arc, time::Duration};

pub(crate) use self::{
    batch::{BatchWindow, RejectWindow, SuccessBatch},
    cooldown::Chance,
    group::Seat,
    time::Rough,
};
use self::{
    cooldown::Cooldown,
    half_open::{HalfOpen, Progress},
    tally::Tallies,
    yardstick::Yardstick,
};
pub use self::{
    cooldown::OpenDuration,
    evidence::{BucketView, Evidence},
    invalid::ConfigError,
    policy::{ConsecutiveFailures, CustomPolicy, FailureRate, Policy, SlowCallRate, TripPolicy},
    reason::TripReason,
    recovery::Recovery,
    settings::{CancelledCalls, Settings, SlowAfter},
    ticket::{Ending, Judgement, Outcome, Refusal, Settled, Ticket},
    time::Timestamp,
    view::{Mode, ModeView, PolicyReading, State, Transition, View},
    window::{Counts, SlidingWindow},
};

/// The state machine of one breaker.
#[derive(Clone, Debug)]
pub struct Machine {
    settings: Arc<Settings>,
    /// What [`SlowAfter::Auto`] stands for.
    auto: SlowAfter,
    mode: ModeView,
    phase: Phase,
    since: Timestamp,
    generation: u64,
    /// The number of the last opening (k), until the breaker has been closed for long enough to forget it.
    attempt: Option<u32>,
    // Boxed, since there may be a breaker for each of a million keys, few of which ever trip.
    last_trip: Option<Box<TripReason>>,
    /// Why it last left closed.
    first_trip: Option<Box<TripReason>>,
    /// Until when the primary asked to be left alone.
    paused_until: Timestamp,
    chance: Chance,
    yardstick: Yardstick,
    /// The first generation that the yardstick learns from.
    learns_from: u64,
    latest: Timestamp,
    /// Its place in a group whose breakers may not all be open at once.
    seat: Option<Arc<dyn Seat>>,
    /// Until when the last trip that the group forbade is enough said.
    held_quiet_until: Timestamp,
    /// How many keep trials for somebody else than the callers: see [`keep_trials`](Self::keep_trials).
    trial_keepers: u32,
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
    Open(Cooldown),
    HalfOpen(HalfOpen),
}

impl Machine {
    /// A closed machine. The same `seed` gives the same jitter, and the same samples.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another.
    pub fn new(settings: Settings, seed: u64) -> Result<Self, ConfigError> {
        Self::with_auto_as(SlowAfter::Never, Arc::new(settings), seed)
    }

    /// A closed machine, and what [`SlowAfter::Auto`] stands for here.
    pub(crate) fn with_auto_as(auto: SlowAfter, settings: Arc<Settings>, seed: u64) -> Result<Self, ConfigError> {
        settings.check_with_auto_as(auto)?;
        Ok(Self {
            auto,
            phase: Phase::closed(&settings, Timestamp::START),
            mode: ModeView::default(),
            since: Timestamp::START,
            generation: 1,
            attempt: None,
            last_trip: None,
            first_trip: None,
            paused_until: Timestamp::START,
            chance: Chance::new(seed),
            yardstick: Yardstick::new(seed),
            learns_from: 0,
            latest: Timestamp::START,
            seat: None,
            held_quiet_until: Timestamp::START,
            trial_keepers: 0,
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
        let keeps_trials = self.keeps_trials();
        self.start_trial(now, !keeps_trials && self.ready_to_probe(now));
        let admitted = match &mut self.phase {
            Phase::Closed { .. } => true,
            Phase::Open(cooldown) => {
                cooldown.refused(1);
                false
            }
            Phase::HalfOpen(half_open) if keeps_trials && half_open.is_trial() => false,
            Phase::HalfOpen(half_open) => half_open.admit(),
        };
        if admitted {
            Ok(self.ticket(now, None))
        } else {
            Err(self.refusal(now))
        }
    }

    /// A call is over.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is settled once")]
    pub fn settle(&mut self, ticket: Ticket, ending: Ending, now: Timestamp) -> Settled {
        let now = self.catch_up(now);
        self.learn(&ticket, ending, now);
        if !self.is_current(&ticket) {
            return Settled::Stale;
        }
        if !ticket.is_recorded() {
            return Settled::Unrecorded;
        }
        let settled = ticket.judge(ending, self.settings.cancelled_calls, self.given_up_after(), now);
        match &settled {
            Settled::Counted(judgement) => self.record(*judgement, now, now),
            Settled::Ignored | Settled::Cancelled | Settled::Unused => self.leave_undecided(&ticket, now),
            Settled::Stale | Settled::Unrecorded => {}
        }
        settled
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

    /// What has changed since this was last asked, oldest first. It is kept until then: a driver should ask now and then.
    pub fn take_transitions(&mut self) -> Vec<Transition> {
        self.take_changes()
            .into_iter()
            .map(|(_, transition)| transition)
            .collect()
    }

    /// Whether anything has changed since that was last asked.
    pub(crate) fn has_changed(&self) -> bool {
        !self.transitions.is_empty()
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
            Phase::Open(_) => {}
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

    #[inline]
    fn follow(&mut self, progress: Progress, now: Timestamp) {
        if !matches!(progress, Progress::Stays) {
            self.move_on(progress, now);
        }
    }

    fn move_on(&mut self, progress: Progress, now: Timestamp) {
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
        self.take_seat();
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
        HalfOpen::new(&self.settings.recovery, self.settings.trip_when.evidence(), now)
    }

    fn open_time_is_up(&self, now: Timestamp) -> bool {
        match self.phase {
            Phase::Open(cooldown) => cooldown.time_is_up(now) && self.mode.mode != Mode::ForcedOpen,
            _ => false,
        }
    }

    fn ready_to_probe(&self, now: Timestamp) -> bool {
        match self.phase {
            Phase::Open(cooldown) => cooldown.is_over(now) && self.mode.mode != Mode::ForcedOpen,
            _ => false,
        }
    }

    fn lease(&self) -> Duration {
        self.settings
            .recovery
            .lease(self.slow_after(), self.attempt.unwrap_or(0))
    }

    fn ticket(&mut self, now: Timestamp, lease: Option<u64>) -> Ticket {
        let time_limit = matches!(self.phase, Phase::HalfOpen(_)).then(|| self.lease());
        let ticket = Ticket::new(self.generation, now, self.slow_after(), time_limit, lease);
        if self.is_recording() {
            let sampled = self.is_learning() && self.yardstick.picks(now);
            ticket.sampled(sampled)
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
            Self::Open(_) => State::Open,
            Self::HalfOpen(_) => State::HalfOpen,
        }
    }
}
