//! What a machine shows of itself. Reading changes nothing.
//!
//! Everything here takes `&self`. A state or a mode whose time is up reads as what comes next,
//! though the machine goes there only with the next report.

use std::{sync::Arc, time::Duration};

use super::{
    Machine,
    control::{ActiveMode, Mode},
    latency::SlowAfter,
    policy::{reading::PolicyReading, reason::TripReason},
    recovery::half_open::Progress,
    settings::Settings,
    state::{Phase, State},
    ticket::{Refusal, Ticket},
    time::Timestamp,
};

/// A view of the machine at some moment. Taking it changes nothing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct View {
    /// Where the calls go, in a word.
    pub state: State,
    /// The percentage of the calls that goes to the primary; 0 during a trial.
    pub share: u8,
    /// Who decides.
    pub mode: Mode,
    /// The operator's reason for the mode; `None` in [`Mode::Automatic`].
    pub mode_reason: Option<Arc<str>>,
    /// When the mode reverts to [`Mode::Automatic`] by itself.
    pub mode_reverts_at: Option<Timestamp>,
    /// The generation of calls. It grows with each trip and each manual change, and when half-open
    /// gets another recovery.
    pub generation: u64,
    /// When the view was taken, by the breaker's clock.
    pub now: Timestamp,
    /// How long the state has lasted.
    pub lasted: Duration,
    /// When a refused caller may come back. `None` where calls aren't refused, and where only an
    /// operator can tell.
    pub retry_after: Option<Duration>,
    /// How many openings went before the last one with no ten closed seconds in between (k).
    pub attempt: u32,
    /// Why it last tripped, or would have in [`Mode::Shadow`].
    pub last_trip: Option<TripReason>,
    /// Why it left closed, while it is open or half-open after a trip. Trials that failed since are
    /// the [last trip](Self::last_trip).
    pub first_trip: Option<TripReason>,
    /// How long a call that starts now may take before it is slow, as set by hand or learned.
    /// `None` where no call is slow, or not enough has been learned.
    pub slow_after: Option<Duration>,
    /// The learned 99th percentile of recent good calls' latency: see
    /// [`SlowAfter::Learned`](super::SlowAfter::Learned). `None` before the first 64 samples, and
    /// where `slow_after` is [`Never`](super::SlowAfter::Never).
    pub learned_p99: Option<Duration>,
    /// The learned median of recent good calls' latency, where the p99 is known.
    pub learned_p50: Option<Duration>,
    /// Each policy with its counts, while the breaker is closed.
    pub policies: Vec<PolicyReading>,
}

impl Machine {
    /// Returns the settings that the machine decides by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the generation of calls that starts now. It grows with each trip and each manual
    /// change, and when half-open gets another recovery. Calls of an earlier one are stale.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns whether an outcome of this ticket would still count.
    #[must_use]
    pub fn is_current(&self, ticket: &Ticket) -> bool {
        ticket.generation() == self.generation
    }

    /// Returns whether outcomes are recorded: in each mode but [`Mode::Disabled`].
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.mode.mode != Mode::Disabled
    }

    /// Returns whether the breaker itself decides.
    pub(crate) fn is_automatic(&self) -> bool {
        self.mode.mode == Mode::Automatic
    }

    /// Returns whether access is being restored.
    pub(crate) fn is_half_open(&self) -> bool {
        matches!(self.phase, Phase::HalfOpen(_))
    }

    /// Returns whether the breaker is closed, by its own decision.
    #[cfg(any(feature = "console", feature = "keyed"))]
    pub(crate) fn is_healthy(&self, now: Timestamp) -> bool {
        self.state(now) == State::Closed && self.is_automatic()
    }

    /// Returns how long a call that starts now may take before it is slow. `None` where no call is
    /// slow, or where not enough has been learned yet.
    #[must_use]
    pub fn slow_after(&self) -> Option<Duration> {
        match self.settings.slow_after.with_auto_as(self.auto) {
            SlowAfter::Auto | SlowAfter::Never => None,
            SlowAfter::After(duration) => Some(duration),
            SlowAfter::Learned => self.estimator.slow_after(),
        }
    }

    /// Returns after how long a call that is given up counts as slow, whatever `slow_after` says.
    pub(super) fn given_up_after(&self) -> Option<Duration> {
        self.estimator.given_up_after().filter(|_| self.is_learning())
    }

    pub(super) fn is_learning(&self) -> bool {
        self.settings.slow_after.with_auto_as(self.auto) != SlowAfter::Never
    }

    /// Returns where the calls go, at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> State {
        let now = self.latest.max(now);
        if self.mode.is_over(now) {
            return match self.mode.mode {
                Mode::ForcedOpen => State::ReadyToProbe,
                Mode::Automatic | Mode::Disabled | Mode::Shadow => State::Closed,
            };
        }
        match &self.phase {
            Phase::Open(_) if self.ready_to_probe(now) => State::ReadyToProbe,
            Phase::HalfOpen(half_open) => match half_open.progress(&self.settings.recovery, now) {
                Progress::Closes => State::Closed,
                _ => State::HalfOpen,
            },
            phase => phase.state(),
        }
    }

    /// Returns everything there is to see at `now`.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> View {
        let now = self.latest.max(now);
        let state = self.state(now);
        let mode = if self.mode.is_over(now) {
            ActiveMode::default()
        } else {
            self.mode.clone()
        };
        View {
            state,
            share: match (&self.phase, state) {
                (_, State::Closed) => 100,
                (Phase::HalfOpen(half_open), _) => half_open.share(&self.settings.recovery),
                _ => 0,
            },
            mode: mode.mode,
            mode_reason: mode.reason,
            mode_reverts_at: mode.reverts_at,
            generation: self.generation,
            now,
            lasted: now.since(self.since),
            retry_after: match state {
                State::Closed => None,
                _ => self.retry_after(now),
            },
            attempt: self.attempt.unwrap_or(0),
            last_trip: self.last_trip.as_deref().cloned(),
            first_trip: self
                .first_trip
                .as_deref()
                .cloned()
                .filter(|_| state != State::Closed && self.mode.mode == Mode::Automatic && self.attempt.is_some()),
            slow_after: self.slow_after(),
            learned_p99: self.estimator.p99().filter(|_| self.is_learning()),
            learned_p50: self.estimator.p50().filter(|_| self.is_learning()),
            policies: match &self.phase {
                Phase::Closed { states, .. } => states.readings(now),
                Phase::Open(_) | Phase::HalfOpen(_) => Vec::new(),
            },
        }
    }

    /// Returns the answer to a caller whose call is refused at `now`.
    #[must_use]
    pub fn refusal(&self, now: Timestamp) -> Refusal {
        Refusal {
            retry_after: self.retry_after(now),
        }
    }

    /// Returns when a refused caller may expect another answer.
    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let now = self.latest.max(now);
        match &self.phase {
            Phase::Closed { .. } => Some(Duration::ZERO),
            // An agent will make the trial.
            Phase::Open(_) if self.mode.is_over(now) && self.reserves_trials() => Some(RETRY_SOON),
            Phase::Open(_) if self.mode.mode == Mode::ForcedOpen => self.mode.reverts_at.map(|at| at.since(now)),
            // The open time is up, and a trial waits for more refused calls.
            Phase::Open(cooldown) if cooldown.time_is_up(now) && !cooldown.is_over(now) => Some(RETRY_SOON),
            Phase::Open(cooldown) if cooldown.is_over(now) && self.reserves_trials() => Some(RETRY_SOON),
            Phase::Open(cooldown) if cooldown.is_over(now) => Some(Duration::ZERO),
            Phase::Open(cooldown) => Some(cooldown.until().since(now)),
            // The primary's next answer may change everything.
            Phase::HalfOpen(half_open) => Some(match half_open.next_lapse() {
                Some(lapse) => lapse.since(now).min(RETRY_SOON),
                None => RETRY_SOON,
            }),
        }
    }
}

/// The time that a refused caller has to wait where the next call may change everything.
const RETRY_SOON: Duration = Duration::from_millis(100);
