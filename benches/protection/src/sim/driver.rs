//! Decides where a simulated call goes.

use tower_breaker::clock::Timestamp;

use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// The decider: contestants or the reference.
pub(crate) enum Driver {
    /// One contestant for each instance.
    Contestants(Vec<Box<dyn Contestant>>),
    /// The reference, which knows more than any breaker can.
    Reference,
}

impl Driver {
    pub(super) fn ask(&mut self, instance: u32, call: Call, good_enough: bool, now: Timestamp) -> Route {
        match self {
            Self::Contestants(contestants) => contestants[instance as usize].ask(call, now),
            Self::Reference if good_enough => Route::Primary(CallId(0)),
            Self::Reference => Route::Refused(CallId(0)),
        }
    }

    pub(super) fn ended(&mut self, instance: u32, id: CallId, to_primary: bool, end: End, now: Timestamp) {
        if let Self::Contestants(contestants) = self {
            let contestant = &mut contestants[instance as usize];
            if to_primary {
                contestant.primary_ended(id, end, now);
            } else {
                contestant.backup_ended(id, end, now);
            }
        }
    }

    pub(super) fn gate(&self, instance: u32, now: Timestamp) -> Option<Gate> {
        match self {
            Self::Contestants(contestants) => Some(contestants[instance as usize].gate(now)),
            Self::Reference => None,
        }
    }
}
