use std::time::Duration;

use super::trace::Call;
use crate::machine::Outcome;
use crate::observe::Completion;

/// What the primary's answer to a call was, or would have been, worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A good answer, within the objective.
    Good,
    /// A failure; or one whose answer came too late; or one that was given up when it had taken too long, or longer than 1.5 times the p99
    /// of the trace's successful calls (where there are 100 of them): at most 1 % of healthy calls live that long.
    Bad,
    /// The trace doesn't say: it was ignored, refused, never made, or given up before that.
    Unknown,
}

/// So many calls of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdicts {
    /// Good ones.
    pub good: u64,
    /// Bad ones.
    pub bad: u64,
    /// Those of which nobody knows.
    pub unknown: u64,
}

impl Verdict {
    pub(super) fn on(call: &Call, objective: Option<Duration>, patience: Option<Duration>) -> Self {
        let late = objective.is_some_and(|objective| call.latency() > objective);
        match call.outcome {
            Completion::Finished(Outcome::Success) if !late => Self::Good,
            Completion::Finished(Outcome::Success | Outcome::Failure) => Self::Bad,
            Completion::Cancelled if late || patience.is_some_and(|patience| call.latency() > patience) => Self::Bad,
            Completion::Cancelled
            | Completion::Finished(Outcome::Ignored)
            | Completion::Refused
            | Completion::Unused => Self::Unknown,
        }
    }
}

impl Verdicts {
    pub(super) fn note(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Good => self.good += 1,
            Verdict::Bad => self.bad += 1,
            Verdict::Unknown => self.unknown += 1,
        }
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.known() + self.unknown
    }

    /// Those of which the trace says how good they were.
    #[must_use]
    pub fn known(&self) -> u64 {
        self.good + self.bad
    }

    /// The rate of bad calls among those that are known; `None` where none is.
    #[must_use]
    pub fn bad_rate(&self) -> Option<f64> {
        (self.known() > 0).then(|| self.bad as f64 / self.known() as f64)
    }

    /// The rate of good calls among those that are known; `None` where none is.
    #[must_use]
    pub fn good_rate(&self) -> Option<f64> {
        (self.known() > 0).then(|| self.good as f64 / self.known() as f64)
    }
}
