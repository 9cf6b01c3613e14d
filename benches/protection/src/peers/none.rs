use tower_breaker::clock::Timestamp;

use crate::contestant::{Call, Contestant, End, Gate, Pass, Route};

/// Everything to the primary.
#[derive(Debug)]
pub(super) struct None;

impl Contestant for None {
    fn ask(&mut self, _call: Call, _now: Timestamp) -> Route {
        Route::Primary(Pass(0))
    }

    fn primary_ended(&mut self, _pass: Pass, _end: End, _now: Timestamp) {}

    fn gate(&self, _now: Timestamp) -> Gate {
        Gate::Closed
    }
}
