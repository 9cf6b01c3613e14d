//! Semian's adaptive breaker, re-implemented.

use std::{collections::VecDeque, time::Duration};

use fastrand::Rng;
use tower_breaker::clock::Timestamp;

use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// Semian's adaptive circuit breaker: a PID controller over the share of calls to refuse.
///
/// Every second it compares the error rate of the last ten seconds with an ideal one, which it
/// learns by smoothing.
#[derive(Debug)]
pub(super) struct SemianPid {
    settings: Settings,
    successes: Times,
    errors: Times,
    ideal: Smoother,
    controller: Controller,
    next_update: Timestamp,
    rng: Rng,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) window: Duration,
    pub(super) kp: f64,
    pub(super) ki: f64,
    /// Deviations above the ideal that are at most this part of it are ignored.
    pub(super) dead_zone: f64,
    pub(super) initial_error_rate: f64,
    /// Error rates above this are not learned as ideal.
    pub(super) cap: f64,
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        window: Duration::from_secs(10),
        kp: 1.0,
        ki: 0.2,
        dead_zone: 0.25,
        initial_error_rate: 0.05,
        cap: 0.1,
    };

    /// Reacts faster, and is less sensitive to small deviations.
    pub(super) const TUNED: Self = Self {
        window: Duration::from_secs(5),
        dead_zone: 0.5,
        initial_error_rate: 0.1,
        cap: 0.5,
        ..Self::DEFAULT
    };
}

const INTERVAL: Duration = Duration::from_secs(1);

impl SemianPid {
    /// How many calls of each kind are remembered, for each second of the window.
    const PER_SECOND: u64 = 200;

    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        let times = || Times::new((settings.window.as_secs() * Self::PER_SECOND) as usize);
        Self {
            settings,
            successes: times(),
            errors: times(),
            ideal: Smoother::new(settings.initial_error_rate, settings.cap),
            controller: Controller::default(),
            next_update: Timestamp::START + INTERVAL,
            rng: super::rng(seed),
        }
    }

    /// Does what Semian's own thread does every second.
    fn follow_time(&mut self, now: Timestamp) {
        while self.next_update <= now {
            let window = self.settings.window;
            let errors = self.errors.count(window, self.next_update);
            let calls = errors + self.successes.count(window, self.next_update);
            let error_rate = if calls == 0 { 0.0 } else { errors as f64 / calls as f64 };
            let ideal = self.ideal.learn(error_rate);
            self.controller.update(error_rate, ideal, &self.settings);
            self.next_update = self.next_update + INTERVAL;
        }
    }
}

impl Contestant for SemianPid {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        self.follow_time(now);
        if self.rng.f64() < self.controller.rejection_rate {
            Route::Refused(CallId(0))
        } else {
            Route::Primary(CallId(0))
        }
    }

    fn primary_ended(&mut self, _pass: CallId, end: End, now: Timestamp) {
        self.follow_time(now);
        match end {
            End::Success => self.successes.push(now),
            End::Failure => self.errors.push(now),
            End::Dropped => {}
        }
    }

    /// Returns the state in Semian's words. It is open when every call is refused, which is rare
    /// and short here.
    fn gate(&self, _now: Timestamp) -> Gate {
        match self.controller.rejection_rate {
            0.0 => Gate::Closed,
            1.0 => Gate::Open,
            _ => Gate::HalfOpen,
        }
    }
}

#[derive(Debug, Default)]
struct Controller {
    rejection_rate: f64,
    integral: f64,
}

impl Controller {
    fn update(&mut self, error_rate: f64, ideal: f64, settings: &Settings) {
        let deviation = error_rate - ideal;
        let deviation = if deviation > 0.0 && deviation <= ideal * settings.dead_zone {
            0.0
        } else {
            deviation
        };
        let p = deviation - (1.0 - deviation) * self.rejection_rate;
        self.integral += p * INTERVAL.as_secs_f64();
        let step = settings.kp * p + settings.ki * self.integral;
        self.rejection_rate = (self.rejection_rate + step).clamp(0.0, 1.0);
        self.integral = self.integral.clamp(-10.0, 10.0);
    }
}

/// The ideal error rate, smoothed exponentially: fast downwards, slowly upwards, and slower after
/// half an hour.
#[derive(Debug)]
struct Smoother {
    value: f64,
    cap: f64,
    observations: u32,
}

impl Smoother {
    const LEARNS_FAST_FOR: u32 = 30 * 60;

    fn new(value: f64, cap: f64) -> Self {
        Self {
            value,
            cap,
            observations: 0,
        }
    }

    fn learn(&mut self, error_rate: f64) -> f64 {
        if error_rate <= self.cap {
            self.observations += 1;
            let alpha = match (self.observations < Self::LEARNS_FAST_FOR, error_rate > self.value) {
                (true, true) => 0.0017,
                (true, false) => 0.078,
                (false, true) => 0.0009,
                (false, false) => 0.039,
            };
            self.value = alpha * error_rate + (1.0 - alpha) * self.value;
        }
        self.value
    }
}

/// The times at which the last calls of a kind ended, up to a limit.
#[derive(Debug)]
struct Times {
    last: VecDeque<Timestamp>,
    max: usize,
}

impl Times {
    fn new(max: usize) -> Self {
        Self {
            last: VecDeque::with_capacity(max),
            max,
        }
    }

    fn push(&mut self, now: Timestamp) {
        if self.last.len() == self.max {
            self.last.pop_front();
        }
        self.last.push_back(now);
    }

    /// Returns how many lie in the window that ends now.
    fn count(&mut self, window: Duration, now: Timestamp) -> usize {
        while self.last.front().is_some_and(|&oldest| oldest + window < now) {
            self.last.pop_front();
        }
        self.last.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::script::Script;

    fn assert_close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-12, "{left} is not {right}");
    }

    /// Ten seconds of an error rate of 60 % with an ideal of 5 %, calculated by hand.
    #[test]
    fn the_controller_on_a_worked_example() {
        let mut controller = Controller::default();
        // P = 0.55; I = 0.55; r = 0.55 + 0.2 × 0.55
        controller.update(0.6, 0.05, &Settings::DEFAULT);
        assert_close(controller.rejection_rate, 0.66);
        // P = 0.55 − 0.45 × 0.66 = 0.253; I = 0.803; r = 0.66 + 0.253 + 0.1606
        controller.update(0.6, 0.05, &Settings::DEFAULT);
        assert_close(controller.integral, 0.803);
        assert_close(controller.rejection_rate, 1.0);
        // P = 0.55 − 0.45 = 0.1; I = 0.903
        controller.update(0.6, 0.05, &Settings::DEFAULT);
        assert_close(controller.integral, 0.903);
        // P = −0.05 − 1.05 = −1.1; I = −0.197; r = 1 − 1.1 − 0.0394
        controller.update(0.0, 0.05, &Settings::DEFAULT);
        assert_close(controller.integral, -0.197);
        assert_close(controller.rejection_rate, 0.0);
    }

    #[test]
    fn a_quarter_above_the_ideal_is_noise() {
        let mut controller = Controller::default();
        controller.update(0.0625, 0.05, &Settings::DEFAULT);
        assert_close(controller.rejection_rate, 0.0);
        controller.update(0.063, 0.05, &Settings::DEFAULT);
        assert_close(controller.rejection_rate, 0.013 * 1.2);
    }

    #[test]
    fn the_integral_is_bounded() {
        let mut controller = Controller::default();
        for _ in 0..1000 {
            controller.update(0.0, 0.05, &Settings::DEFAULT);
        }
        assert_close(controller.integral, -10.0);
    }

    #[test]
    fn the_ideal_falls_fast_rises_slowly_and_ignores_incidents() {
        let mut smoother = Smoother::new(0.05, 0.1);
        assert_close(smoother.learn(0.2), 0.05);
        assert_close(smoother.learn(0.0), 0.05 * 0.922);
        let before = smoother.value;
        assert_close(smoother.learn(0.1), 0.0017 * 0.1 + 0.9983 * before);
        smoother.observations = Smoother::LEARNS_FAST_FOR;
        let before = smoother.value;
        assert_close(smoother.learn(0.0), 0.961 * before);
    }

    #[test]
    fn it_decides_once_a_second() {
        let mut script = Script::new(SemianPid::new(Settings::DEFAULT, 1));
        script.wait(0.999);
        script.calls(100, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.wait(0.001);
        let _ = script.ask();
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn errors_leave_the_window_after_ten_seconds() {
        let mut times = Times::new(100);
        times.push(Timestamp::START);
        let window = Duration::from_secs(10);
        assert_eq!(times.count(window, Timestamp::START + window), 1);
        assert_eq!(
            times.count(window, Timestamp::START + window + Duration::from_nanos(1)),
            0
        );
    }

    #[test]
    fn no_more_calls_than_two_hundred_a_second_are_remembered() {
        let mut script = Script::new(SemianPid::new(Settings::DEFAULT, 1));
        script.calls(5000, End::Success);
        assert_eq!(script.contestant.successes.last.len(), 2000);
    }
}
