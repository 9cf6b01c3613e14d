use std::sync::Arc;

use crate::observe::{CallRecord, Completion, Stamp};

/// What is kept of a call on its way, where somebody wants to be told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail {
    admitted: Stamp,
    started: Option<Stamp>,
    answered: Option<Stamp>,
}

impl Trail {
    pub(super) fn new(admitted: Stamp, has_started: bool) -> Self {
        Self {
            admitted,
            started: has_started.then_some(admitted),
            answered: None,
        }
    }

    pub(super) fn start(&mut self, at: Stamp) {
        self.started.get_or_insert(at);
    }

    pub(super) fn answer(&mut self, at: Stamp) {
        self.answered.get_or_insert(at);
    }

    pub(super) fn record(self, breaker: Arc<str>, outcome: Completion, ended: Stamp) -> CallRecord {
        CallRecord {
            breaker,
            completion: match outcome {
                Completion::Cancelled if self.started.is_none() => Completion::Unused,
                outcome => outcome,
            },
            admitted: self.admitted,
            started: self.started,
            answered: self.answered,
            ended,
        }
    }
}
