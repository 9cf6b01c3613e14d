//! The calls of a trace in memory, and what a recorder wrote between them.
//!
//! Millions of these are held at once, so times are plain nanoseconds, keys are numbers, and the
//! phases that few calls have are boxed.

use std::time::Duration;

use crate::{machine::Timestamp, observe::Completion};

/// A call of a [`Trace`](super::Trace).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// In nanoseconds since the trace's epoch.
    pub(crate) start: u64,
    /// In nanoseconds.
    pub(crate) latency: u64,
    pub(crate) completion: Completion,
    /// An index into the trace's keys.
    pub(crate) key: u32,
    /// The number of the row in the order in which rows were read, evaluations included.
    pub(crate) row: u32,
    /// The first step of the call in the recorded breaker's order, or 0 if it is unknown.
    pub(crate) first_step: u64,
    /// The last step of the call in the recorded breaker's order, or 0 if it is unknown.
    pub(crate) last_step: u64,
    pub(crate) extra: Option<Box<ExtraPhases>>,
}

/// A pair of optional phases: before a call's start, and after its answer. Few calls have any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtraPhases {
    /// The wait for the primary's readiness, which ends with the call's start.
    pub(crate) waited: Option<ExtraPhase>,
    /// The time that the call went on after its answer was in, such as a streamed body.
    pub(crate) lasted: Option<ExtraPhase>,
}

/// A phase of a call before its start or after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExtraPhase {
    pub(crate) nanos: u64,
    /// The step, in the recorded breaker's order, at which a wait ended or a stream began. 0 if it
    /// is unknown.
    pub(crate) step: u64,
}

/// A row of a trace that is no call: the recorded breaker re-evaluated its state between calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EvaluationRow {
    /// In nanoseconds since the trace's epoch.
    pub(crate) at: u64,
    /// An index into the trace's keys.
    pub(crate) key: u32,
    /// The number of the row in the order in which rows were read, calls included.
    pub(crate) row: u32,
    /// The step in the recorded breaker's order, or 0 if it is unknown.
    pub(crate) step: u64,
}

impl Call {
    /// Returns when the call started.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        Timestamp::from_nanos(self.start)
    }

    /// Returns how long the answer took, or how long the caller waited. Zero for a refused call.
    #[must_use]
    pub fn latency(&self) -> Duration {
        Duration::from_nanos(self.latency)
    }

    /// Returns how the call ended.
    #[must_use]
    pub fn completion(&self) -> Completion {
        self.completion
    }

    /// Returns how long the call waited for the primary's readiness, if it had to.
    pub(crate) fn waited(&self) -> Option<ExtraPhase> {
        self.extra.as_deref()?.waited
    }

    /// Returns how long the call went on after its answer, if it did.
    pub(crate) fn lasted(&self) -> Option<ExtraPhase> {
        self.extra.as_deref()?.lasted
    }
}
