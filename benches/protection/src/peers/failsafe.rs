//! The crate failsafe.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use failsafe::{
    Config, FailurePolicy, Instrument, StateMachine, backoff,
    failure_policy::{consecutive_failures, success_rate_over_time_window},
};
use fastrand::Rng;
use tower_breaker::clock::Timestamp;

use crate::{
    contestant::{Call, CallId, Contestant, End, Gate, Route},
    virtual_clock,
};

/// The crate's state machine, driven like its own future does. That future ignores cancelled calls.
#[derive(Debug)]
pub(super) struct Failsafe<P> {
    machine: StateMachine<P, Observed>,
    gate: Rc<Cell<Gate>>,
}

/// Builds what `Config::new()` builds, but with a seeded generator for the jitter.
pub(super) fn with_defaults(seed: u64) -> Failsafe<impl FailurePolicy> {
    let backoff = EqualJittered {
        start: 10,
        max: 300,
        attempt: 0,
        rng: Rc::new(RefCell::new(super::rng(seed))),
    };
    Failsafe::new(|| {
        success_rate_over_time_window(0.8, 5, Duration::from_secs(30), backoff.clone())
            .or_else(consecutive_failures(5, backoff))
    })
}

/// Builds a policy for this traffic. The rate alone is slow, and can't trip within ten seconds of a
/// recovery; the count of consecutive failures compensates. The wait begins short, because
/// half-open lets all calls through.
pub(super) fn tuned() -> Failsafe<impl FailurePolicy> {
    let backoff = backoff::exponential(Duration::from_secs(1), Duration::from_secs(5));
    Failsafe::new(|| {
        success_rate_over_time_window(0.5, 20, Duration::from_secs(10), backoff.clone())
            .or_else(consecutive_failures(7, backoff))
    })
}

impl<P: FailurePolicy> Failsafe<P> {
    fn new(policy: impl FnOnce() -> P) -> Self {
        // The policy reads the clock when it is made.
        let _clock = virtual_clock::at(Timestamp::START);
        let gate = Rc::new(Cell::new(Gate::Closed));
        let machine = Config::new()
            .failure_policy(policy())
            .instrument(Observed(Rc::clone(&gate)))
            .build();
        Self { machine, gate }
    }
}

impl<P: FailurePolicy> Contestant for Failsafe<P> {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        let _clock = virtual_clock::at(now);
        if self.machine.is_call_permitted() {
            Route::Primary(CallId(0))
        } else {
            Route::Refused(CallId(0))
        }
    }

    fn primary_ended(&mut self, _pass: CallId, end: End, now: Timestamp) {
        let _clock = virtual_clock::at(now);
        match end {
            End::Success => self.machine.on_success(),
            End::Failure => self.machine.on_error(),
            End::Dropped => {}
        }
    }

    fn gate(&self, _now: Timestamp) -> Gate {
        self.gate.get()
    }
}

/// An observer that keeps the last event as the state.
#[derive(Debug)]
struct Observed(Rc<Cell<Gate>>);

impl Instrument for Observed {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        self.0.set(Gate::Open);
    }

    fn on_half_open(&self) {
        self.0.set(Gate::HalfOpen);
    }

    fn on_closed(&self) {
        self.0.set(Gate::Closed);
    }
}

/// The crate's equal-jittered backoff, in whole seconds like there, from a seeded generator.
#[derive(Clone, Debug)]
struct EqualJittered {
    start: u64,
    max: u64,
    attempt: u32,
    /// Shared by all copies, like the thread's generator in the crate. A backoff that starts over
    /// doesn't repeat its jitter.
    rng: Rc<RefCell<Rng>>,
}

impl Iterator for EqualJittered {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let half = ((1 << self.attempt) * self.start).min(self.max) / 2;
        self.attempt = (self.attempt + 1).min(30);
        Some(Duration::from_secs(half + self.rng.borrow_mut().u64(0..=half)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::script::Script;

    #[test]
    fn by_default_the_fifth_failure_in_a_row_opens_it_for_five_to_ten_seconds() {
        let mut script = Script::new(with_defaults(1));
        script.calls(4, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
        script.wait(4.999);
        assert!(!script.admitted());
        script.wait(5.002);
        script.call(End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn half_open_lets_all_calls_through() {
        let mut script = Script::new(tuned());
        script.calls(7, End::Failure);
        script.wait(1.001);
        for _ in 0..100 {
            assert!(script.admitted());
        }
        assert_eq!(script.gate(), Gate::HalfOpen);
    }

    #[test]
    fn tuned_its_waits_grow_to_five_seconds_and_a_success_closes_it() {
        let mut script = Script::new(tuned());
        script.calls(6, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        for wait in [1.0, 2.0, 4.0, 5.0, 5.0] {
            script.wait(wait);
            assert!(!script.admitted(), "after {wait} s");
            script.wait(0.001);
            script.call(End::Failure);
            assert_eq!(script.gate(), Gate::Open);
        }
        script.wait(5.001);
        script.call(End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn a_rate_of_failures_opens_it_once_a_window_has_gone_by() {
        let mut script = Script::new(tuned());
        let mut opened = None;
        for n in 0..3000 {
            if script.gate() == Gate::Open {
                opened = Some(f64::from(n) / 100.0);
                break;
            }
            script.wait(0.01);
            script.call(if n % 4 == 0 { End::Success } else { End::Failure });
        }
        assert!(
            opened.is_some_and(|seconds| (10.0..11.0).contains(&seconds)),
            "{opened:?}"
        );
    }

    #[test]
    fn waits_grow_with_a_jitter_that_a_seed_repeats() {
        let backoff = |seed| EqualJittered {
            start: 10,
            max: 300,
            attempt: 0,
            rng: Rc::new(RefCell::new(Rng::with_seed(seed))),
        };
        let waits: Vec<_> = backoff(7).take(40).collect();
        for (wait, longest) in waits.iter().zip([10, 20, 40, 80, 160, 300, 300]) {
            assert!((longest / 2..=longest).contains(&wait.as_secs()), "{wait:?}");
        }
        assert_eq!(waits, backoff(7).take(40).collect::<Vec<_>>());
    }
}
