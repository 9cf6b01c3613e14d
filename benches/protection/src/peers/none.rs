//! The row without a breaker.

use tower_breaker::clock::Timestamp;

use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// Sends every call to the primary.
#[derive(Debug)]
pub(super) struct None;

impl Contestant for None {
    fn ask(&mut self, _call: Call, _now: Timestamp) -> Route {
        Route::Primary(CallId(0))
    }

    fn primary_ended(&mut self, _pass: CallId, _end: End, _now: Timestamp) {}

    fn gate(&self, _now: Timestamp) -> Gate {
        Gate::Closed
    }
}
