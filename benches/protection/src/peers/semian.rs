//! Semian's classic breaker, re-implemented.

use std::{collections::VecDeque, time::Duration};

use tower_breaker::clock::Timestamp;

use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// Semian's classic circuit breaker: a number of errors within a time, whatever the number of
/// calls.
///
/// It is open until a time after the *last* error, even one that comes in late. When half-open it
/// lets all calls through: a failure opens it, a number of successes closes it. A cancelled call
/// has no outcome.
#[derive(Debug)]
pub(super) struct Semian {
    settings: Settings,
    state: State,
    errors: VecDeque<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) error_threshold: usize,
    pub(super) error_threshold_timeout: Duration,
    pub(super) error_timeout: Duration,
    pub(super) success_threshold: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open,
    HalfOpen { successes: u32 },
}

impl Settings {
    /// The settings of one of its authors' experiments. Semian has no defaults.
    pub(super) const DEFAULT: Self = Self {
        error_threshold: 12,
        error_threshold_timeout: Duration::from_secs(20),
        error_timeout: Duration::from_secs(15),
        success_threshold: 2,
    };

    pub(super) const TUNED: Self = Self {
        error_threshold: 20,
        error_threshold_timeout: Duration::from_secs(10),
        error_timeout: Duration::from_secs(5),
        success_threshold: 2,
    };
}

impl Semian {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Closed,
            errors: VecDeque::with_capacity(settings.error_threshold),
        }
    }

    fn cooled_down(&self, now: Timestamp) -> bool {
        self.errors
            .back()
            .is_some_and(|&last| last + self.settings.error_timeout < now)
    }

    fn failed(&mut self, now: Timestamp) {
        while let Some(&oldest) = self.errors.front()
            && (oldest + self.settings.error_threshold_timeout < now
                || self.errors.len() == self.settings.error_threshold)
        {
            self.errors.pop_front();
        }
        self.errors.push_back(now);
        let opens = match self.state {
            State::Closed => self.errors.len() == self.settings.error_threshold,
            State::HalfOpen { .. } => true,
            State::Open => false,
        };
        if opens {
            self.state = State::Open;
        }
    }

    fn succeeded(&mut self) {
        if let State::HalfOpen { successes } = &mut self.state {
            *successes += 1;
            if *successes >= self.settings.success_threshold {
                self.state = State::Closed;
                self.errors.clear();
            }
        }
    }
}

impl Contestant for Semian {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        if matches!(self.state, State::Open) {
            if !self.cooled_down(now) {
                return Route::Refused(CallId(0));
            }
            self.state = State::HalfOpen { successes: 0 };
        }
        Route::Primary(CallId(0))
    }

    fn primary_ended(&mut self, _pass: CallId, end: End, now: Timestamp) {
        match end {
            End::Success => self.succeeded(),
            End::Failure => self.failed(now),
            End::Dropped => {}
        }
    }

    fn gate(&self, _now: Timestamp) -> Gate {
        match self.state {
            State::Closed => Gate::Closed,
            State::Open => Gate::Open,
            State::HalfOpen { .. } => Gate::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::script::Script;

    fn default() -> Script<Semian> {
        Script::new(Semian::new(Settings::DEFAULT))
    }

    fn open() -> Script<Semian> {
        let mut script = default();
        script.calls(12, End::Failure);
        script
    }

    #[test]
    fn the_twelfth_error_opens_it_whatever_succeeds_between() {
        let mut script = default();
        for _ in 0..11 {
            script.calls(100, End::Success);
            script.call(End::Failure);
        }
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn errors_are_forgotten_after_twenty_seconds() {
        let mut script = default();
        script.calls(11, End::Failure);
        script.wait(20.001);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.calls(10, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn it_is_open_until_fifteen_seconds_after_the_last_error() {
        let mut script = default();
        let late = script.start();
        script.calls(12, End::Failure);
        script.wait(10.0);
        script.end(late, End::Failure);
        script.wait(15.0);
        assert!(!script.admitted());
        script.wait(0.001);
        assert!(script.admitted());
    }

    #[test]
    fn half_open_lets_all_calls_through_and_two_successes_close_it() {
        let mut script = open();
        script.wait(15.001);
        let ids: Vec<_> = (0..50).map(|_| script.start()).collect();
        script.end(ids[0], End::Success);
        assert_eq!(script.gate(), Gate::HalfOpen);
        script.end(ids[1], End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn a_failure_when_half_open_opens_it_again() {
        let mut script = open();
        script.wait(15.001);
        script.call(End::Success);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }
}
