//! Judges the calls of a trace in hindsight, and counts them.
//!
//! A call is good, bad or unknown. Unlike a breaker's own assessment this uses the user's objective
//! and what the whole trace says of healthy latencies. The replayed breaker and the outage tracker
//! call [`was_good`]; the report and each trip hold the counts.

use std::time::Duration;

use super::trace::Call;
use crate::machine::Outcome;
use crate::observe::Completion;

/// A number of calls, by how good the primary's answers were, or would have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JudgedCalls {
    /// Calls that were answered well, within the objective.
    pub good: u64,
    /// Calls that failed, were answered too late, or were given up late.
    ///
    /// A cancelled call counts as bad if it took longer than the objective, or longer than 1.5
    /// times the p99 of the trace's successful calls (of which the trace must have 100). At most
    /// 1 % of healthy calls live that long.
    pub bad: u64,
    /// Calls that the trace doesn't judge: ignored, refused, never made, or given up early.
    pub unknown: u64,
}

impl JudgedCalls {
    /// Counts one call, by what [`was_good`] returned for it.
    pub(super) fn count(&mut self, was_good: Option<bool>) {
        match was_good {
            Some(true) => self.good += 1,
            Some(false) => self.bad += 1,
            None => self.unknown += 1,
        }
    }

    /// Returns the number of all calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.known() + self.unknown
    }

    /// Returns the number of calls that are known to be good or bad.
    #[must_use]
    pub fn known(&self) -> u64 {
        self.good + self.bad
    }

    /// Returns bad calls ÷ known calls, or `None` if no call is known.
    #[must_use]
    pub fn bad_rate(&self) -> Option<f64> {
        (self.known() > 0).then(|| self.bad as f64 / self.known() as f64)
    }

    /// Returns good calls ÷ known calls, or `None` if no call is known.
    #[must_use]
    pub fn good_rate(&self) -> Option<f64> {
        (self.known() > 0).then(|| self.good as f64 / self.known() as f64)
    }
}

/// Returns whether a call was good, or `None` if the trace doesn't tell.
///
/// Answers after `objective` are bad. Cancelled calls are bad if they took longer than `objective`
/// or `patience`, and unknown otherwise.
pub(super) fn was_good(call: &Call, objective: Option<Duration>, patience: Option<Duration>) -> Option<bool> {
    let took_longer_than = |limit: Option<Duration>| limit.is_some_and(|limit| call.latency() > limit);
    match call.completion {
        Completion::Finished(Outcome::Success) => Some(!took_longer_than(objective)),
        Completion::Finished(Outcome::Failure) => Some(false),
        Completion::Cancelled if took_longer_than(objective) || took_longer_than(patience) => Some(false),
        Completion::Cancelled | Completion::Finished(Outcome::Ignored) | Completion::Refused | Completion::Unused => {
            None
        }
    }
}
