use std::{fmt, sync::Arc, time::Duration};

use super::{
    Machine, Phase, Timestamp, half_open::Progress, policy::Policy, reason::TripReason, time::HumanDuration,
    window::Counts,
};

/// Where the calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// All to the primary.
    Closed,
    /// None to the primary.
    Open,
    /// Open, and the next call is the probe.
    ReadyToProbe,
    /// A probe, or a share, to the primary.
    HalfOpen,
}

impl State {
    /// Every state, for what lists them: metrics have a series for each.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Open, Self::ReadyToProbe, Self::HalfOpen];

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
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Who decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// The breaker.
    #[default]
    Automatic,
    /// All calls are refused.
    ForcedOpen,
    /// All calls go to the primary, and nothing is recorded.
    Disabled,
    /// All calls go to the primary; the breaker records, and says when it would have tripped.
    Shadow,
}

impl Mode {
    /// Every mode, for what lists them: metrics have a series for each.
    pub const ALL: [Self; 4] = [Self::Automatic, Self::ForcedOpen, Self::Disabled, Self::Shadow];

    /// Returns "automatic", "forced open", "disabled" or "shadow".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::ForcedOpen => "forced open",
            Self::Disabled => "disabled",
            Self::Shadow => "shadow",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The mode, why it was set, and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ModeView {
    /// Who decides.
    pub mode: Mode,
    /// What was given as the reason; `None` in [`Mode::Automatic`].
    pub reason: Option<Arc<str>>,
    /// When it goes back to [`Mode::Automatic`] by itself.
    pub reverts_at: Option<Timestamp>,
}

impl ModeView {
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.reverts_at.is_some_and(|at| at <= now)
    }
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Transition {
    /// The breaker opened.
    #[non_exhaustive]
    Opened {
        /// Closed, or half-open.
        from: State,
        /// Why.
        reason: TripReason,
        /// For how long, before a trial.
        open_for: Duration,
        /// How many openings went before this one with no ten closed seconds in between (k).
        attempt: u32,
    },
    /// The open time was up, and a trial begins.
    #[non_exhaustive]
    HalfOpened {
        /// As in [`Opened`](Self::Opened).
        attempt: u32,
    },
    /// Another share of the calls goes to the primary, in percent; 0 is the trial.
    #[non_exhaustive]
    ShareChanged {
        /// The share before.
        from: u8,
        /// The share now.
        to: u8,
        /// Why it went down.
        reason: Option<TripReason>,
    },
    /// The primary is healthy again, and gets all calls.
    Closed,
    /// In shadow mode: it would have opened here.
    #[non_exhaustive]
    WouldHaveTripped {
        /// Why.
        reason: TripReason,
    },
    /// The mode was set by hand, or went back by itself.
    #[non_exhaustive]
    ModeChanged {
        /// The mode before.
        from: Mode,
        /// The mode now.
        to: Mode,
        /// What was given as the reason.
        reason: Arc<str>,
        /// When it goes back to [`Mode::Automatic`] by itself.
        reverts_after: Option<Duration>,
    },
    /// It didn't open: as many breakers of its group are open as may be.
    #[non_exhaustive]
    HeldBack {
        /// Why it would have.
        reason: TripReason,
    },
    /// Everything was forgotten, by hand.
    #[non_exhaustive]
    Reset {
        /// What was given as the reason.
        reason: Arc<str>,
    },
    /// Other settings apply.
    Reconfigured,
    /// The breaker of a key that nobody has used for long: it is gone.
    Evicted,
}

/// The one vocabulary for what a transition led to and why: the log, the metrics and the console use
/// these words, so that an operator who goes from one to the next finds the same ones.
///
/// | transition | [`origin`](Self::origin) | [`target`](Self::target) | [`cause`](Self::cause) |
/// |---|---|---|---|
/// | [`Opened`](Self::Opened) | its `from` | `open` | [`TripReason::name`] |
/// | [`HalfOpened`](Self::HalfOpened) | `open` | `half-open` | `open time is up` |
/// | [`ShareChanged`](Self::ShareChanged) | `half-open` | `half-open` | `stage passed`, or [`TripReason::name`] |
/// | [`Closed`](Self::Closed) | `half-open` | `closed` | `recovered` |
/// | [`ModeChanged`](Self::ModeChanged) | the mode before | the mode now | `operator` |
/// | [`Reset`](Self::Reset) | none | `closed` | `reset` |
/// | [`WouldHaveTripped`](Self::WouldHaveTripped) | none | `would have tripped` | [`TripReason::name`] |
/// | [`HeldBack`](Self::HeldBack) | none | `held back` | [`TripReason::name`] |
/// | [`Reconfigured`](Self::Reconfigured) | none | `reconfigured` | `operator` |
/// | [`Evicted`](Self::Evicted) | none | `evicted` | `idle` |
impl Transition {
    /// Returns the state or mode that the breaker is in afterwards, in the words of [`State::name`]
    /// and [`Mode::name`]. Where neither changes, it is what happened instead.
    #[must_use]
    pub const fn target(&self) -> &'static str {
        match self {
            Self::Opened { .. } => State::Open.name(),
            Self::HalfOpened { .. } | Self::ShareChanged { .. } => State::HalfOpen.name(),
            Self::Closed | Self::Reset { .. } => State::Closed.name(),
            Self::ModeChanged { to, .. } => to.name(),
            Self::WouldHaveTripped { .. } => "would have tripped",
            Self::HeldBack { .. } => "held back",
            Self::Reconfigured => "reconfigured",
            Self::Evicted => "evicted",
        }
    }

    /// Returns why it happened, in a few words that never vary: fit for a metric's label.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Opened { reason, .. }
            | Self::WouldHaveTripped { reason }
            | Self::HeldBack { reason }
            | Self::ShareChanged {
                reason: Some(reason), ..
            } => reason.name(),
            Self::ShareChanged { reason: None, .. } => "stage passed",
            Self::HalfOpened { .. } => "open time is up",
            Self::Closed => "recovered",
            Self::ModeChanged { .. } | Self::Reconfigured => "operator",
            Self::Reset { .. } => "reset",
            Self::Evicted => "idle",
        }
    }

    /// Returns the state or mode before. `None` where neither changes, and for a reset, which may
    /// come from any.
    #[must_use]
    pub const fn origin(&self) -> Option<&'static str> {
        match self {
            Self::Opened { from, .. } => Some(from.name()),
            Self::HalfOpened { .. } => Some(State::Open.name()),
            Self::ShareChanged { .. } | Self::Closed => Some(State::HalfOpen.name()),
            Self::ModeChanged { from, .. } => Some(from.name()),
            Self::Reset { .. }
            | Self::WouldHaveTripped { .. }
            | Self::HeldBack { .. }
            | Self::Reconfigured
            | Self::Evicted => None,
        }
    }

    /// Returns what was measured, and the threshold that it reached: for a trip, one that did not
    /// happen, and a share that went down.
    #[must_use]
    pub const fn trip_reason(&self) -> Option<&TripReason> {
        match self {
            Self::Opened { reason, .. } | Self::WouldHaveTripped { reason } | Self::HeldBack { reason } => Some(reason),
            Self::ShareChanged { reason, .. } => reason.as_ref(),
            Self::HalfOpened { .. }
            | Self::Closed
            | Self::ModeChanged { .. }
            | Self::Reset { .. }
            | Self::Reconfigured
            | Self::Evicted => None,
        }
    }
}

impl fmt::Display for Transition {
    /// One line for whoever is on call.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened {
                from,
                reason,
                open_for,
                attempt: _,
            } => write!(f, "{from} → open for {}: {reason}", HumanDuration(*open_for)),
            Self::HalfOpened { .. } => f.write_str("open → half-open: the open time is up, probing"),
            Self::ShareChanged { from, to, reason: None } => {
                write!(f, "half-open: {from} % → {to} % of calls to the primary")
            }
            Self::ShareChanged {
                from,
                to,
                reason: Some(reason),
            } => {
                write!(f, "half-open: {from} % → {to} % of calls to the primary: {reason}")
            }
            Self::Closed => f.write_str("half-open → closed: the primary is healthy again"),
            Self::WouldHaveTripped { reason } => write!(f, "would have tripped: {reason}"),
            Self::HeldBack { reason } => {
                write!(f, "held back, for as many of its group are open as may be: {reason}")
            }
            Self::ModeChanged {
                from,
                to,
                reason,
                reverts_after,
            } => {
                write!(f, "{from} → {to}: {reason}")?;
                match reverts_after {
                    Some(after) => write!(f, " (for {})", HumanDuration(*after)),
                    None => Ok(()),
                }
            }
            Self::Reset { reason } => write!(f, "reset: {reason}"),
            Self::Reconfigured => f.write_str("reconfigured"),
            Self::Evicted => f.write_str("evicted: its key has not been used for long"),
        }
    }
}

/// A policy, and what it is asked about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PolicyReading {
    /// The policy.
    pub policy: Policy,
    /// Its counts.
    pub counts: Counts,
}

impl PolicyReading {
    /// What the policy goes by, in a few words that never vary: those of [`TripReason::name`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.policy {
            Policy::Evidence(_) => "evidence",
            Policy::FailureRate(_) => "failure rate",
            Policy::SlowCallRate(_) => "slow-call rate",
            Policy::ConsecutiveFailures(_) => "consecutive failures",
            Policy::Custom(_) | Policy::AnyOf(_) => "custom",
        }
    }

    /// What is measured now, and the threshold that it may not reach: of evidence the level, of rates a number from 0 to 1. `None` for a policy of a
    /// user's own, and for a rate of no calls.
    #[must_use]
    pub fn measured(&self) -> Option<Measurement> {
        let counts = &self.counts;
        let (value, threshold) = match &self.policy {
            Policy::Evidence(evidence) => {
                let bucket = counts.bucket?;
                (bucket.level, evidence.threshold(bucket.judged))
            }
            Policy::FailureRate(policy) => (counts.failure_rate()?, policy.0.threshold),
            Policy::SlowCallRate(policy) => (counts.slow_call_rate()?, policy.0.threshold),
            Policy::ConsecutiveFailures(policy) => (counts.bad_in_a_row as f64, policy.0 as f64),
            Policy::Custom(_) | Policy::AnyOf(_) => return None,
        };
        Some(Measurement { value, threshold })
    }
}

/// A measured value, and the threshold at which its policy trips.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// The value now: a level for evidence, a rate from 0 to 1, or a number of calls.
    pub value: f64,
    /// The policy trips when the value reaches this.
    pub threshold: f64,
}

/// What the machine is like at some moment. Looking changes nothing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct View {
    /// Where the calls go.
    pub state: State,
    /// The percentage of the calls that goes to the primary; 0 during a trial.
    pub share: u8,
    /// Who decides.
    pub mode: Mode,
    /// The reason that was given for the mode; `None` in [`Mode::Automatic`].
    pub mode_reason: Option<Arc<str>>,
    /// When the mode goes back to [`Mode::Automatic`] by itself.
    pub mode_reverts_at: Option<Timestamp>,
    /// Grows with each trip and each manual change, and when half-open is given another recovery.
    pub generation: u64,
    /// When this was seen, by the breaker's clock.
    pub now: Timestamp,
    /// How long the state has lasted.
    pub lasted: Duration,
    /// Where calls are refused: when to come back. `None` where only an operator can tell.
    pub retry_after: Option<Duration>,
    /// How many openings went before the last one with no ten closed seconds in between (k).
    pub attempt: u32,
    /// Why it last tripped, or would have in [`Mode::Shadow`].
    pub last_trip: Option<TripReason>,
    /// While open or half-open after a trip: why it left closed. Trials that failed since are the [last trip](Self::last_trip).
    pub first_trip: Option<TripReason>,
    /// From when on a call that starts now is slow: as set by hand or learned. `None` where no call is slow, or not enough has been learned.
    pub slow_after: Option<Duration>,
    /// How long the slowest 1 % of recent good calls have taken, as far as that has been learned: see [`SlowAfter::Learned`](super::SlowAfter::Learned).
    /// `None` before the first 64 samples, and where `slow_after` is [`Never`](super::SlowAfter::Never).
    pub learned_p99: Option<Duration>,
    /// How long half of recent good calls have taken, where the p99 is known.
    pub learned_p50: Option<Duration>,
    /// While closed: each policy's counts.
    pub policies: Vec<PolicyReading>,
}

impl Machine {
    /// Where the calls go, at `now`.
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

    /// Everything there is to see at `now`.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> View {
        let now = self.latest.max(now);
        let state = self.state(now);
        let mode = if self.mode.is_over(now) {
            ModeView::default()
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
            learned_p99: self.learned_p99(),
            learned_p50: self.learned_p50(),
            policies: match &self.phase {
                Phase::Closed { states, .. } => states
                    .readings(now)
                    .map(|(policy, counts)| PolicyReading {
                        policy: policy.clone(),
                        counts,
                    })
                    .collect(),
                Phase::Open(_) | Phase::HalfOpen(_) => Vec::new(),
            },
        }
    }

    /// When a refused caller may expect another answer.
    pub(super) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let now = self.latest.max(now);
        match &self.phase {
            Phase::Closed { .. } => Some(Duration::ZERO),
            // Somebody else will make the trial.
            Phase::Open(_) if self.mode.is_over(now) && self.reserves_trials() => Some(RETRY_SOON),
            Phase::Open(_) if self.mode.mode == Mode::ForcedOpen => self.mode.reverts_at.map(|at| at.since(now)),
            // Its time is up, and it waits for more calls to refuse.
            Phase::Open(cooldown) if cooldown.time_is_up(now) && !cooldown.is_over(now) => Some(RETRY_SOON),
            Phase::Open(cooldown) if cooldown.is_over(now) && self.reserves_trials() => Some(RETRY_SOON),
            Phase::Open(cooldown) if cooldown.is_over(now) => Some(Duration::ZERO),
            Phase::Open(cooldown) => Some(cooldown.until().since(now)),
            // The next answer of the primary may change everything; a moment is as good a guess as any.
            Phase::HalfOpen(half_open) => Some(match half_open.next_lapse() {
                Some(lapse) => lapse.since(now).min(RETRY_SOON),
                None => RETRY_SOON,
            }),
        }
    }
}

/// What a caller is told to wait where the next call may change everything.
const RETRY_SOON: Duration = Duration::from_millis(100);
