//! A test's view of a contestant: calls one by one.

use std::time::Duration;

use tower_breaker::clock::Timestamp;

use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// A contestant and a clock, for tests that go call by call.
#[derive(Debug)]
pub(super) struct Script<C> {
    pub(super) contestant: C,
    pub(super) now: Timestamp,
}

impl<C: Contestant> Script<C> {
    pub(super) fn new(contestant: C) -> Self {
        Self {
            contestant,
            now: Timestamp::START,
        }
    }

    pub(super) fn wait(&mut self, seconds: f64) {
        self.now = self.now + Duration::from_secs_f64(seconds);
    }

    pub(super) fn gate(&self) -> Gate {
        self.contestant.gate(self.now)
    }

    pub(super) fn ask(&mut self) -> Route {
        self.contestant.ask(Call { key: 0 }, self.now)
    }

    /// Asks for a call and returns whether it goes to the primary. If so, it stays in flight.
    pub(super) fn admitted(&mut self) -> bool {
        matches!(self.ask(), Route::Primary(_))
    }

    /// Starts a call that has to go to the primary.
    pub(super) fn start(&mut self) -> CallId {
        match self.ask() {
            Route::Primary(id) => id,
            Route::Refused(_) => panic!("refused at {:?}", self.now),
        }
    }

    pub(super) fn end(&mut self, id: CallId, end: End) {
        self.contestant.primary_ended(id, end, self.now);
    }

    /// Makes a call that has to go to the primary and ends at once.
    pub(super) fn call(&mut self, end: End) {
        let id = self.start();
        self.end(id, end);
    }

    pub(super) fn calls(&mut self, count: usize, end: End) {
        for _ in 0..count {
            self.call(end);
        }
    }

    pub(super) fn call_taking(&mut self, seconds: f64, end: End) {
        let id = self.start();
        self.wait(seconds);
        self.end(id, end);
    }
}
