use std::time::Duration;

use tower_breaker::clock::Timestamp;

use crate::contestant::{Call, Contestant, End, Gate, Pass, Route};

/// A contestant and a clock: what a test does with it, call by call.
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

    /// Whether a call that starts now goes to the primary. If so it is still there.
    pub(super) fn admitted(&mut self) -> bool {
        matches!(self.ask(), Route::Primary(_))
    }

    /// A call that is let through.
    pub(super) fn start(&mut self) -> Pass {
        match self.ask() {
            Route::Primary(pass) => pass,
            Route::Refused(_) => panic!("refused at {:?}", self.now),
        }
    }

    pub(super) fn end(&mut self, pass: Pass, end: End) {
        self.contestant.primary_ended(pass, end, self.now);
    }

    /// A call that is let through and ends at once.
    pub(super) fn call(&mut self, end: End) {
        let pass = self.start();
        self.end(pass, end);
    }

    pub(super) fn calls(&mut self, count: usize, end: End) {
        for _ in 0..count {
            self.call(end);
        }
    }

    pub(super) fn call_taking(&mut self, seconds: f64, end: End) {
        let pass = self.start();
        self.wait(seconds);
        self.end(pass, end);
    }
}
