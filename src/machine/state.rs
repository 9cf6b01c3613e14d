//! The states of a machine, and how it gets from one to the next.
//!
//! [`Phase`] holds what each state needs; it is replaced whole. Everything that changes the phase
//! is here: [`record`](Machine::record) and time lead to a trip, a stage, or the end of half-open.
//! Each change is noted as a [`Transition`], for the driver to take.

use std::{fmt, time::Duration};

use super::{
    Machine,
    completion::Assessment,
    control::Mode,
    policy::{reason::TripReason, states::PolicyStates},
    recovery::{
        half_open::{HalfOpen, Progress},
        open_duration::Cooldown,
    },
    settings::Settings,
    time::Timestamp,
    transition::Transition,
};

/// A state of the breaker: where the calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// All calls go to the primary.
    Closed,
    /// No calls go to the primary.
    Open,
    /// No calls go to the primary, and the next one is the probe.
    ReadyToProbe,
    /// A probe, or a share of the calls, goes to the primary.
    HalfOpen,
}

impl State {
    /// Every state, for what lists them: metrics have a series for each.
    pub const ALL: &'static [Self] = &[Self::Closed, Self::Open, Self::ReadyToProbe, Self::HalfOpen];

    /// Returns "closed", "open", "ready to probe" or "half-open".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::ReadyToProbe => "ready to probe",
            Self::HalfOpen => "half-open",
        }
    }
}

impl fmt::Display for State {
    /// Writes the state's [name](Self::name).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A state with what it needs.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Closed {
        states: PolicyStates,
        /// In shadow mode: until then nothing is recorded, since a would-be trip was just
        /// announced.
        quiet_until: Timestamp,
    },
    Open(Cooldown),
    HalfOpen(HalfOpen),
}

impl Phase {
    pub(super) fn closed(settings: &Settings, now: Timestamp) -> Self {
        Self::Closed {
            states: PolicyStates::new(&settings.trip_when, now),
            quiet_until: Timestamp::START,
        }
    }

    pub(super) fn state(&self) -> State {
        match self {
            Self::Closed { .. } => State::Closed,
            Self::Open(_) => State::Open,
            Self::HalfOpen(_) => State::HalfOpen,
        }
    }
}

/// Closed for this long, the breaker forgets how often it has opened before.
const FORGETS_AFTER: Duration = Duration::from_secs(10);

/// The least time between two announcements of a trip that didn't happen: an outage is announced
/// once, not at every call.
pub(super) const QUIET: Duration = Duration::from_secs(10);

impl Machine {
    /// Brings the machine to `now`, and ends what is over. Returns `now`, or the latest moment that
    /// the machine knows of: where a clock goes back, time stands still here.
    pub(super) fn catch_up(&mut self, now: Timestamp) -> Timestamp {
        let now = self.latest.max(now);
        self.latest = now;
        if self.mode.is_over(now) {
            self.change_mode(Mode::Automatic, "its time is up".into(), None, now);
        }
        if let Phase::HalfOpen(half_open) = &mut self.phase {
            half_open.drop_lapsed_reservations(now);
            let progress = half_open.progress(&self.settings.recovery, now);
            self.follow(progress, now);
        }
        now
    }

    /// Records a call that is good, or bad since `at`, and follows what that leads to.
    pub(super) fn record(&mut self, assessment: Assessment, at: Timestamp, now: Timestamp) {
        match &mut self.phase {
            Phase::Closed { quiet_until, .. } if now < *quiet_until => {}
            Phase::Closed { states, .. } => {
                states.record(assessment, at, now);
                self.trip_if_due(now);
            }
            Phase::HalfOpen(half_open) => {
                let progress = half_open.record(&self.settings.recovery, assessment, at, now);
                self.follow(progress, now);
            }
            Phase::Open(_) => {}
        }
    }

    #[inline]
    pub(super) fn follow(&mut self, progress: Progress, now: Timestamp) {
        if !matches!(progress, Progress::Stays) {
            self.move_on(progress, now);
        }
    }

    /// Takes the step that half-open leads to: to another stage, or out of half-open.
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

    pub(super) fn trip_if_due(&mut self, now: Timestamp) {
        if let Phase::Closed { states, .. } = &self.phase {
            if let Some(reason) = states.trip(now) {
                self.trip_if_allowed(reason, now);
            }
        }
    }

    /// Opens the breaker; in shadow mode, announces that it would have.
    pub(super) fn trip(&mut self, reason: TripReason, now: Timestamp) {
        let from = self.phase.state();
        if from == State::Closed && now.since(self.since) >= FORGETS_AFTER {
            self.attempt = None;
        }
        self.last_trip = Some(Box::new(reason.clone()));
        if self.mode.mode == Mode::Shadow {
            self.phase = Phase::Closed {
                states: PolicyStates::new(&self.settings.trip_when, now),
                quiet_until: now + QUIET,
            };
            self.note(Transition::WouldHaveTripped { reason });
            return;
        }
        if from == State::Closed {
            self.first_trip = Some(Box::new(reason.clone()));
        }
        let attempt = self.attempt.map_or(0, |last| last.saturating_add(1));
        let asked_for = self.paused_until.since(now);
        let random = self.rng.next();
        let (cooldown, open_for) = self.settings.open_duration.begin(attempt, random, asked_for, now);
        self.attempt = Some(attempt);
        self.estimator.sample_next();
        self.enter_new_generation(Phase::Open(cooldown), now);
        self.note(Transition::Opened {
            from,
            reason,
            open_for,
            attempt,
        });
    }

    /// Begins a trial where the breaker is `ready` for one.
    pub(super) fn start_trial(&mut self, now: Timestamp, ready: bool) {
        if ready {
            let half_open = self.half_open(now);
            self.enter(Phase::HalfOpen(half_open), now);
            self.note(Transition::HalfOpened {
                attempt: self.attempt.unwrap_or(0),
            });
        }
    }

    /// Returns the beginning of half-open, under the current settings.
    pub(super) fn half_open(&self, now: Timestamp) -> HalfOpen {
        HalfOpen::new(&self.settings.recovery, self.settings.trip_when.evidence(), now)
    }

    /// Returns whether an agent or a reservation may begin the trial.
    pub(super) fn open_time_is_up(&self, now: Timestamp) -> bool {
        match self.phase {
            Phase::Open(cooldown) => cooldown.time_is_up(now) && self.mode.mode != Mode::ForcedOpen,
            _ => false,
        }
    }

    /// Returns whether a call may begin the trial: it may have to wait for more refused calls.
    pub(super) fn ready_to_probe(&self, now: Timestamp) -> bool {
        match self.phase {
            Phase::Open(cooldown) => cooldown.is_over(now) && self.mode.mode != Mode::ForcedOpen,
            _ => false,
        }
    }

    /// Enters a phase whose calls belong to a new generation: earlier ones are stale from here on.
    pub(super) fn enter_new_generation(&mut self, phase: Phase, now: Timestamp) {
        self.generation += 1;
        self.enter(phase, now);
    }

    fn enter(&mut self, phase: Phase, now: Timestamp) {
        self.phase = phase;
        self.since = now;
        self.update_open_slot();
    }

    /// Keeps a transition until the driver takes it.
    pub(super) fn note(&mut self, transition: Transition) {
        self.transitions.push((self.generation, transition));
    }
}
