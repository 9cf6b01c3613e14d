//! When a call was admitted, started, answered and ended, for observers that want each call.
//!
//! Kept by the permit; nothing is decided by it.

use std::sync::Arc;

use crate::{
    machine::Completion,
    observe::{CallRecord, Stamp},
};

/// A call's stamps so far, kept where an observer wants each call.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallTimeline {
    admitted: Stamp,
    started: Option<Stamp>,
    answered: Option<Stamp>,
}

impl CallTimeline {
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

    pub(super) fn record(self, breaker: Arc<str>, completion: Completion, ended: Stamp) -> CallRecord {
        CallRecord {
            breaker,
            completion: match completion {
                Completion::Cancelled if self.started.is_none() => Completion::Unused,
                completion => completion,
            },
            admitted: self.admitted,
            started: self.started,
            answered: self.answered,
            ended,
        }
    }
}
