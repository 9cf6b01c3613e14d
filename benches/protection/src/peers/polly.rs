//! The breaker of Polly v8, re-implemented.

use std::{collections::VecDeque, time::Duration};

use tower_breaker::clock::Timestamp;

use super::call_counts::CallCounts;
use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// Polly v8's `CircuitBreakerStrategy`: a failure rate over a rolling window in ten parts.
///
/// Only a failure can open it. When half-open it lets one call through. The next call that ends
/// closes or opens it, even if it began before the trip. A cancelled call is an outcome that isn't
/// handled, and counts as a success.
#[derive(Debug)]
pub(super) struct Polly {
    settings: Settings,
    state: State,
    health: Health,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) failure_rate: f64,
    pub(super) minimum_calls: u32,
    pub(super) window: Duration,
    pub(super) open_for: Duration,
}

#[derive(Debug)]
enum State {
    Closed,
    Open { until: Timestamp },
    HalfOpen,
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        failure_rate: 0.1,
        minimum_calls: 100,
        window: Duration::from_secs(30),
        open_for: Duration::from_secs(5),
    };

    pub(super) const TUNED: Self = Self {
        failure_rate: 0.5,
        minimum_calls: 20,
        window: Duration::from_secs(10),
        open_for: Duration::from_secs(5),
    };

    /// Like the tuned settings, but with the shortest window and wait that heavy traffic allows.
    pub(super) const SWIFT: Self = Self {
        minimum_calls: 10,
        window: Duration::from_secs(2),
        open_for: Duration::from_secs(2),
        ..Self::TUNED
    };
}

impl Polly {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Closed,
            health: Health::new(settings.window),
        }
    }

    fn succeeded(&mut self, now: Timestamp) {
        self.health.record(CallCounts::SUCCESS, now);
        if matches!(self.state, State::HalfOpen) {
            self.state = State::Closed;
            self.health = Health::new(self.settings.window);
        }
    }

    fn failed(&mut self, now: Timestamp) {
        let opens = match self.state {
            State::HalfOpen => true,
            State::Open { .. } => {
                self.health.record(CallCounts::FAILURE, now);
                false
            }
            State::Closed => {
                let sum = self.health.record(CallCounts::FAILURE, now);
                sum.calls() >= self.settings.minimum_calls
                    && f64::from(sum.failures) >= self.settings.failure_rate * f64::from(sum.calls())
            }
        };
        if opens {
            self.state = State::Open {
                until: now + self.settings.open_for,
            };
        }
    }
}

impl Contestant for Polly {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        match self.state {
            State::Closed => Route::Primary(CallId(0)),
            State::Open { until } if now >= until => {
                self.state = State::HalfOpen;
                Route::Primary(CallId(0))
            }
            State::Open { .. } | State::HalfOpen => Route::Refused(CallId(0)),
        }
    }

    fn primary_ended(&mut self, _pass: CallId, end: End, now: Timestamp) {
        match end {
            End::Success | End::Dropped => self.succeeded(now),
            End::Failure => self.failed(now),
        }
    }

    fn gate(&self, _now: Timestamp) -> Gate {
        match self.state {
            State::Closed => Gate::Closed,
            State::Open { .. } => Gate::Open,
            State::HalfOpen => Gate::HalfOpen,
        }
    }
}

/// A window of ten parts. Each begins with the first call that finds the previous one used up.
#[derive(Debug)]
struct Health {
    window: Duration,
    parts: VecDeque<(Timestamp, CallCounts)>,
    sum: CallCounts,
}

impl Health {
    const PARTS: u32 = 10;

    fn new(window: Duration) -> Self {
        Self {
            window,
            parts: VecDeque::new(),
            sum: CallCounts::default(),
        }
    }

    fn record(&mut self, call_counts: CallCounts, now: Timestamp) -> CallCounts {
        match self.parts.back_mut() {
            Some((start, part)) if now.since(*start) < self.window / Self::PARTS => *part += call_counts,
            _ => self.parts.push_back((now, call_counts)),
        }
        self.sum += call_counts;
        while let Some(&(start, part)) = self.parts.front()
            && now.since(start) >= self.window
        {
            self.sum -= part;
            self.parts.pop_front();
        }
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::script::Script;

    fn default() -> Script<Polly> {
        Script::new(Polly::new(Settings::DEFAULT))
    }

    fn open() -> Script<Polly> {
        let mut script = default();
        script.calls(100, End::Failure);
        script
    }

    #[test]
    fn the_hundredth_call_is_the_first_that_can_open_it() {
        let mut script = default();
        script.calls(99, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn a_tenth_of_the_calls_failed_opens_it() {
        let mut script = default();
        script.calls(9, End::Failure);
        script.calls(91, End::Success);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Closed, "10 of 101");
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open, "11 of 102");
    }

    #[test]
    fn a_success_never_opens_it() {
        let mut script = default();
        script.calls(99, End::Failure);
        script.call(End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn failures_leave_the_window_after_thirty_seconds() {
        let mut script = default();
        script.calls(99, End::Failure);
        script.wait(30.0);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn failures_are_still_in_the_window_just_before() {
        let mut script = default();
        script.calls(99, End::Failure);
        script.wait(29.999);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn after_five_seconds_one_call_is_let_through_and_no_other() {
        let mut script = open();
        script.wait(4.999);
        assert!(!script.admitted());
        script.wait(0.001);
        assert!(script.admitted());
        script.wait(100.0);
        assert!(!script.admitted());
    }

    #[test]
    fn the_trial_decides() {
        let mut script = open();
        script.wait(5.0);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
        script.wait(5.0);
        script.call(End::Success);
        assert_eq!(script.gate(), Gate::Closed);
        script.calls(99, End::Failure);
        assert_eq!(script.gate(), Gate::Closed, "the window began anew");
    }

    #[test]
    fn a_cancelled_trial_closes_it() {
        let mut script = open();
        script.wait(5.0);
        script.call(End::Dropped);
        assert_eq!(script.gate(), Gate::Closed);
    }
}
