//! When a call was admitted, started, answered and ended, for observers that want each call.
//!
//! Kept by the permit; nothing is decided by it.

use std::sync::Arc;

use crate::call_record::{CallOutcome, CallRecord, Moment};

/// A call's stamps so far, kept where an observer wants each call.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallTimeline {
    admitted: Moment,
    started: Option<Moment>,
    answered: Option<Moment>,
}

impl CallTimeline {
    pub(super) fn new(admitted: Moment, has_started: bool) -> Self {
        Self {
            admitted,
            started: has_started.then_some(admitted),
            answered: None,
        }
    }

    pub(super) fn start(&mut self, at: Moment) {
        self.started.get_or_insert(at);
    }

    pub(super) fn answer(&mut self, at: Moment) {
        self.answered.get_or_insert(at);
    }

    pub(super) fn record(self, breaker: Arc<str>, outcome: CallOutcome, ended: Moment) -> CallRecord {
        CallRecord {
            breaker,
            outcome: match outcome {
                CallOutcome::Cancelled if self.started.is_none() => CallOutcome::Unused,
                outcome => outcome,
            },
            admitted: self.admitted,
            started: self.started,
            answered: self.answered,
            ended,
        }
    }
}
