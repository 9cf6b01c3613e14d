//! The reasons for a trip: what was measured, and the threshold that it reached.
//!
//! Policies, trials in half-open, agents and groups give them. Their names are the causes that
//! logs, metrics and the console show.

use std::{fmt, time::Duration};

use crate::machine::time::HumanDuration;

/// A reason for a trip: what was measured, and the threshold that it reached.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TripReason {
    /// Bad calls outweighed good ones: see [`Evidence`](super::Evidence).
    #[non_exhaustive]
    Evidence {
        /// The level of the bucket.
        level: f64,
        /// The level at which it trips.
        threshold: f64,
        /// Bad calls since the bucket left 0.
        bad: u64,
        /// Calls judged since then.
        calls: u64,
        /// How long ago the bucket left 0.
        over: Duration,
    },
    /// Too many calls failed.
    #[non_exhaustive]
    FailureRate {
        /// Failed calls ÷ calls.
        rate: f64,
        /// The rate at which it trips.
        threshold: f64,
        /// The calls in the window.
        calls: u64,
    },
    /// Too many calls were slow.
    #[non_exhaustive]
    SlowCallRate {
        /// Slow calls ÷ calls.
        rate: f64,
        /// The rate at which it trips.
        threshold: f64,
        /// The calls in the window.
        calls: u64,
    },
    /// Too many bad calls in a row.
    #[non_exhaustive]
    ConsecutiveFailures {
        /// How many.
        count: u64,
        /// The number at which it trips.
        threshold: u64,
    },
    /// The trial in half-open failed.
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
        /// The number at which it trips.
        threshold: u64,
    },
    /// The agent's checks of the instance failed, one after the other.
    #[non_exhaustive]
    Checks {
        /// How many.
        failed: u64,
        /// The number at which it trips.
        threshold: u64,
    },
    /// The breaker's calls fail more often than those of the others of its group: see
    /// [`Outliers`](crate::group::Outliers).
    #[non_exhaustive]
    Outlier {
        /// Failed calls ÷ calls.
        rate: f64,
        /// The rate at which it trips.
        threshold: f64,
        /// The group's mean rate.
        mean: f64,
        /// The number of breakers that the mean is taken over.
        breakers: u64,
    },
    /// A user's own policy.
    #[non_exhaustive]
    Custom {
        /// What the policy goes by, in a word or two.
        name: &'static str,
        /// The value that it measured.
        measured: f64,
        /// The value at which it trips.
        threshold: f64,
    },
}

impl TripReason {
    /// Returns the reason of a user's own policy.
    #[must_use]
    pub const fn custom(name: &'static str, measured: f64, threshold: f64) -> Self {
        Self::Custom {
            name,
            measured,
            threshold,
        }
    }

    /// Returns what was measured, in a few words that never vary: fit for a metric's label.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Evidence { .. } => "evidence",
            Self::FailureRate { .. } => "failure rate",
            Self::SlowCallRate { .. } => "slow-call rate",
            Self::ConsecutiveFailures { .. } => "consecutive failures",
            Self::TrialFailed { .. } => "trial failed",
            Self::NoVerdict { .. } => "no verdict",
            Self::Checks { .. } => "health checks",
            Self::Outlier { .. } => "outlier",
            Self::Custom { name, .. } => name,
        }
    }

    /// Returns the value that was measured.
    #[must_use]
    pub const fn measured(&self) -> f64 {
        match *self {
            Self::Evidence { level, .. } => level,
            Self::FailureRate { rate, .. } | Self::SlowCallRate { rate, .. } | Self::Outlier { rate, .. } => rate,
            Self::Checks { failed, .. } => failed as f64,
            Self::ConsecutiveFailures { count, .. } => count as f64,
            Self::TrialFailed { bad, .. } => bad as f64,
            Self::NoVerdict { calls, .. } => calls as f64,
            Self::Custom { measured, .. } => measured,
        }
    }

    /// Returns the threshold that it reached.
    #[must_use]
    pub const fn threshold(&self) -> f64 {
        match *self {
            Self::Evidence { threshold, .. }
            | Self::FailureRate { threshold, .. }
            | Self::SlowCallRate { threshold, .. }
            | Self::Outlier { threshold, .. }
            | Self::Custom { threshold, .. } => threshold,
            Self::ConsecutiveFailures { threshold, .. }
            | Self::TrialFailed { threshold, .. }
            | Self::NoVerdict { threshold, .. }
            | Self::Checks { threshold, .. } => threshold as f64,
        }
    }
}

impl fmt::Display for TripReason {
    /// Writes one line for the operator on call.
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
                HumanDuration(*over)
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
            Self::Checks { failed, threshold } => {
                write!(f, "{failed} health checks in a row failed (threshold {threshold})")
            }
            Self::Outlier {
                rate,
                threshold,
                mean,
                breakers,
            } => write!(
                f,
                "{:.1} % of calls failed (threshold {:.1} %, where the mean of {breakers} breakers is {:.1} %)",
                rate * 100.0,
                threshold * 100.0,
                mean * 100.0
            ),
            Self::Custom {
                name,
                measured,
                threshold,
            } => write!(f, "{name}: {measured} (threshold {threshold})"),
        }
    }
}
