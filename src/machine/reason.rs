use std::{fmt, time::Duration};

use super::time::Rough;

/// Why a breaker tripped: what was measured, and the threshold that it reached.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TripReason {
    /// Bad calls outweighed good ones: see [`Evidence`](super::Evidence).
    #[non_exhaustive]
    Evidence {
        /// What the bucket held.
        level: f64,
        /// What it may not reach.
        threshold: f64,
        /// Bad calls since the bucket left 0.
        bad: u64,
        /// Calls judged since then.
        calls: u64,
        /// How long ago that was.
        over: Duration,
    },
    /// Too many calls failed.
    #[non_exhaustive]
    FailureRate {
        /// Failed calls ÷ calls.
        rate: f64,
        /// What it may not reach.
        threshold: f64,
        /// The calls in the window.
        calls: u64,
    },
    /// Too many calls were slow.
    #[non_exhaustive]
    SlowCallRate {
        /// Slow calls ÷ calls.
        rate: f64,
        /// What it may not reach.
        threshold: f64,
        /// The calls in the window.
        calls: u64,
    },
    /// Too many bad calls in a row.
    #[non_exhaustive]
    ConsecutiveFailures {
        /// How many.
        count: u64,
        /// What it may not reach.
        threshold: u64,
    },
    /// The trial in half-open went badly.
    #[non_exhaustive]
    TrialFailed {
        /// Bad calls of the trial.
        bad: u64,
        /// Calls of the trial that came to a verdict.
        calls: u64,
        /// How many bad ones are too many.
        threshold: u64,
    },
    /// In half-open, call after call ended with no verdict: ignored or cancelled.
    #[non_exhaustive]
    NoVerdict {
        /// How many in a row.
        calls: u64,
        /// What it may not reach.
        threshold: u64,
    },
    /// A user's own policy.
    #[non_exhaustive]
    Custom {
        /// What the policy looks at, in a word or two.
        name: &'static str,
        /// What it measured.
        measured: f64,
        /// What that may not reach.
        threshold: f64,
    },
}

impl TripReason {
    /// The reason that a user's own policy gives.
    #[must_use]
    pub const fn custom(name: &'static str, measured: f64, threshold: f64) -> Self {
        Self::Custom {
            name,
            measured,
            threshold,
        }
    }

    /// What was measured, in a few words that never vary: fit for a metric's label.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Evidence { .. } => "evidence",
            Self::FailureRate { .. } => "failure rate",
            Self::SlowCallRate { .. } => "slow-call rate",
            Self::ConsecutiveFailures { .. } => "consecutive failures",
            Self::TrialFailed { .. } => "trial failed",
            Self::NoVerdict { .. } => "no verdict",
            Self::Custom { name, .. } => name,
        }
    }

    /// The value that was measured.
    #[must_use]
    pub const fn measured(&self) -> f64 {
        match *self {
            Self::Evidence { level, .. } => level,
            Self::FailureRate { rate, .. } | Self::SlowCallRate { rate, .. } => rate,
            Self::ConsecutiveFailures { count, .. } => count as f64,
            Self::TrialFailed { bad, .. } => bad as f64,
            Self::NoVerdict { calls, .. } => calls as f64,
            Self::Custom { measured, .. } => measured,
        }
    }

    /// The threshold that it reached.
    #[must_use]
    pub const fn threshold(&self) -> f64 {
        match *self {
            Self::Evidence { threshold, .. }
            | Self::FailureRate { threshold, .. }
            | Self::SlowCallRate { threshold, .. }
            | Self::Custom { threshold, .. } => threshold,
            Self::ConsecutiveFailures { threshold, .. }
            | Self::TrialFailed { threshold, .. }
            | Self::NoVerdict { threshold, .. } => threshold as f64,
        }
    }
}

impl fmt::Display for TripReason {
    /// One line for whoever is on call.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evidence {
                level,
                threshold,
                bad,
                calls,
                over,
            } => write!(
                f,
                "{bad} of {calls} calls bad in {} (evidence {level:.1}, threshold {threshold:.1})",
                Rough(*over)
            ),
            Self::FailureRate { rate, threshold, calls } => write!(
                f,
                "{:.1} % of {calls} calls failed (threshold {:.1} %)",
                rate * 100.0,
                threshold * 100.0
            ),
            Self::SlowCallRate { rate, threshold, calls } => write!(
                f,
                "{:.1} % of {calls} calls slow (threshold {:.1} %)",
                rate * 100.0,
                threshold * 100.0
            ),
            Self::ConsecutiveFailures { count, threshold } => {
                write!(f, "{count} bad calls in a row (threshold {threshold})")
            }
            Self::TrialFailed { bad, calls, threshold } => {
                write!(f, "{bad} of {calls} trial calls bad (threshold {threshold})")
            }
            Self::NoVerdict { calls, threshold } => write!(
                f,
                "{calls} trial calls in a row ignored or cancelled (threshold {threshold})"
            ),
            Self::Custom {
                name,
                measured,
                threshold,
            } => write!(f, "{name}: {measured} (threshold {threshold})"),
        }
    }
}
