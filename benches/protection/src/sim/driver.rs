use tower_breaker::clock::Timestamp;

use crate::contestant::{Call, Contestant, End, Gate, Pass, Route};

/// Who decides where calls go.
pub(crate) enum Driver {
    /// A contestant for each instance.
    Contestants(Vec<Box<dyn Contestant>>),
    /// Whoever knows better than any breaker can.
    Reference,
}

impl Driver {
    pub(super) fn ask(&mut self, instance: u32, call: Call, good_enough: bool, now: Timestamp) -> Route {
        match self {
            Self::Contestants(contestants) => contestants[instance as usize].ask(call, now),
            Self::Reference if good_enough => Route::Primary(Pass(0)),
            Self::Reference => Route::Refused(Pass(0)),
        }
    }

    pub(super) fn ended(&mut self, instance: u32, pass: Pass, to_primary: bool, end: End, now: Timestamp) {
        if let Self::Contestants(contestants) = self {
            let contestant = &mut contestants[instance as usize];
            if to_primary {
                contestant.primary_ended(pass, end, now);
            } else {
                contestant.backup_ended(pass, end, now);
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
