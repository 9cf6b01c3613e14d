//! The breaker of linkerd2-proxy, re-implemented.

use std::time::Duration;

use fastrand::Rng;
use tower_breaker::clock::Timestamp;

use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// linkerd2-proxy's consecutive-failures breaker.
///
/// After a wait it lets one call through. The next call that ends decides, even if it began before.
/// If it failed, the wait doubles. A cancelled call is never classified: after a cancelled probe
/// the breaker waits for good, unless an earlier call still ends.
#[derive(Debug)]
pub(super) struct Linkerd {
    settings: Settings,
    state: State,
    rng: Rng,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) max_failures: u32,
    pub(super) min_backoff: Duration,
    pub(super) max_backoff: Duration,
    /// How much a wait may grow at random, as a part of it. It never exceeds the longest wait.
    pub(super) jitter: f64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Calls flow.
    Closed {
        failures: u32,
    },
    Open {
        until: Timestamp,
        attempt: u32,
    },
    HalfOpen {
        probe_gone: bool,
        attempt: u32,
    },
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        max_failures: 7,
        min_backoff: Duration::from_secs(1),
        max_backoff: Duration::from_secs(60),
        jitter: 0.5,
    };

    pub(super) const TUNED: Self = Self {
        max_backoff: Duration::from_secs(5),
        ..Self::DEFAULT
    };
}

impl Linkerd {
    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            state: State::Closed { failures: 0 },
            rng: super::rng(seed),
        }
    }

    fn open(&mut self, attempt: u32, now: Timestamp) {
        let Settings {
            min_backoff,
            max_backoff,
            jitter,
            ..
        } = self.settings;
        let wait = min_backoff
            .saturating_mul(2_u32.saturating_pow(attempt))
            .min(max_backoff);
        let jitter = wait.mul_f64(jitter * self.rng.f64());
        self.state = State::Open {
            until: now + (wait + jitter).min(max_backoff),
            attempt,
        };
    }

    fn follow_time(&mut self, now: Timestamp) {
        if let State::Open { until, attempt } = self.state
            && now >= until
        {
            self.state = State::HalfOpen {
                probe_gone: false,
                attempt,
            };
        }
    }
}

impl Contestant for Linkerd {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        self.follow_time(now);
        match &mut self.state {
            State::Closed { .. } => Route::Primary(CallId(0)),
            State::HalfOpen { probe_gone, .. } if !*probe_gone => {
                *probe_gone = true;
                Route::Primary(CallId(0))
            }
            State::Open { .. } | State::HalfOpen { .. } => Route::Refused(CallId(0)),
        }
    }

    fn primary_ended(&mut self, _pass: CallId, end: End, now: Timestamp) {
        self.follow_time(now);
        match (self.state, end) {
            (_, End::Dropped) | (State::Open { .. }, _) => {}
            (State::Closed { .. } | State::HalfOpen { .. }, End::Success) => {
                self.state = State::Closed { failures: 0 };
            }
            (State::Closed { failures }, End::Failure) if failures + 1 == self.settings.max_failures => {
                self.open(0, now);
            }
            (State::Closed { failures }, End::Failure) => {
                self.state = State::Closed { failures: failures + 1 };
            }
            (State::HalfOpen { attempt, .. }, End::Failure) => self.open(attempt.saturating_add(1), now),
        }
    }

    fn gate(&self, now: Timestamp) -> Gate {
        match self.state {
            State::Closed { .. } => Gate::Closed,
            State::Open { until, .. } if now < until => Gate::Open,
            State::Open { .. } | State::HalfOpen { .. } => Gate::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::script::Script;

    /// Without jitter, exact to the nanosecond.
    fn steady() -> Script<Linkerd> {
        let settings = Settings {
            jitter: 0.0,
            ..Settings::DEFAULT
        };
        Script::new(Linkerd::new(settings, 1))
    }

    #[test]
    fn the_seventh_failure_in_a_row_opens_it() {
        let mut script = steady();
        script.calls(6, End::Failure);
        script.call(End::Success);
        script.calls(6, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut script = steady();
        script.calls(7, End::Failure);
        for wait in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            script.wait(wait - 0.001);
            assert!(!script.admitted(), "after {wait} s");
            script.wait(0.001);
            script.call(End::Failure);
        }
    }

    #[test]
    fn a_success_of_the_single_probe_lets_calls_flow_and_the_next_wait_is_short_again() {
        let mut script = steady();
        script.calls(7, End::Failure);
        script.wait(1.0);
        script.call(End::Failure);
        script.wait(2.0);
        let probe = script.start();
        assert!(!script.admitted());
        script.end(probe, End::Success);
        assert_eq!(script.gate(), Gate::Closed);
        script.calls(7, End::Failure);
        script.wait(1.0);
        assert!(script.admitted());
    }

    #[test]
    fn calls_that_end_while_it_is_open_are_ignored() {
        let mut script = steady();
        let early = script.start();
        script.calls(7, End::Failure);
        script.end(early, End::Success);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn a_call_from_before_decides_a_probe() {
        let mut script = steady();
        let early = script.start();
        script.calls(7, End::Failure);
        script.wait(1.0);
        script.end(early, End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn a_cancelled_probe_leaves_it_waiting() {
        let mut script = steady();
        script.calls(7, End::Failure);
        script.wait(1.0);
        script.call(End::Dropped);
        script.wait(3600.0);
        assert!(!script.admitted());
    }

    #[test]
    fn jitter_lengthens_a_wait_by_up_to_half() {
        for seed in 0..100 {
            let mut script = Script::new(Linkerd::new(Settings::DEFAULT, seed));
            script.calls(7, End::Failure);
            script.wait(0.999);
            assert!(!script.admitted());
            script.wait(0.501);
            assert!(script.admitted());
        }
    }
}
