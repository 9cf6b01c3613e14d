//! The throttle of go-zero, re-implemented.

use std::time::Duration;

use fastrand::Rng;
use tower_breaker::clock::Timestamp;

use super::call_counts::{Buckets, CallCounts};
use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// go-zero's `googleBreaker`: the SRE book's throttling over ten seconds in forty buckets.
///
/// K falls with every consecutive bucket without a success. The probability falls with every
/// consecutive bucket without a failure. A call is let through if the last one was a second ago.
#[derive(Debug)]
pub(super) struct GoZero {
    settings: Settings,
    calls: Buckets,
    last_pass: Option<Timestamp>,
    probability: f64,
    rng: Rng,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) k: f64,
    pub(super) min_k: f64,
    /// How many calls in the window are let through unconditionally.
    pub(super) protection: f64,
    pub(super) force_pass_after: Duration,
    /// How a cancelled call counts. By default it is an error, unless the caller's `acceptable`
    /// says otherwise.
    pub(super) cancelled: End,
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        k: 1.5,
        min_k: 1.1,
        protection: 5.0,
        force_pass_after: Duration::from_secs(1),
        cancelled: End::Failure,
    };

    pub(super) const TUNED: Self = Self {
        k: 2.0,
        cancelled: End::Success,
        ..Self::DEFAULT
    };
}

impl GoZero {
    const BUCKETS: u16 = 40;

    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            calls: Buckets::new(Duration::from_millis(250), usize::from(Self::BUCKETS)),
            last_pass: None,
            probability: 0.0,
            rng: super::rng(seed),
        }
    }

    /// Returns the share of calls to refuse: by the book's formula, and then reduced for buckets
    /// without a failure.
    fn ratios(&mut self, now: Timestamp) -> (f64, f64) {
        let Settings {
            k, min_k, protection, ..
        } = self.settings;
        let sum = self.calls.sum(now);
        let total = f64::from(sum.calls() + sum.refused);
        let accepts = f64::from(sum.successes);
        // Nothing below makes it greater, so that most calls don't have to walk the buckets.
        if total - protection - min_k * accepts <= 0.0 {
            return (0.0, 0.0);
        }
        let (mut failing, mut working) = (0.0, 0.0);
        for bucket in self.calls.oldest_first() {
            if bucket.failures > 0 {
                working = 0.0;
            } else if bucket.successes > 0 {
                working += 1.0;
            }
            if bucket.successes > 0 {
                failing = 0.0;
            } else if bucket.failures > 0 {
                failing += 1.0;
            }
        }
        let buckets = f64::from(Self::BUCKETS);
        let weight = (k - (k - min_k) * failing / buckets).max(min_k);
        let ratio = ((total - protection - weight * accepts) / (total + 1.0)).max(0.0);
        (ratio, ratio * (buckets - working) / buckets)
    }

    fn refuses(&mut self, now: Timestamp) -> bool {
        let (ratio, softened) = self.ratios(now);
        self.probability = softened;
        if ratio <= 0.0 {
            return false;
        }
        let overdue = self
            .last_pass
            .is_some_and(|last| now.since(last) > self.settings.force_pass_after);
        let refuses = !overdue && self.rng.f64() < softened;
        if !refuses {
            self.last_pass = Some(now);
        }
        refuses
    }
}

impl Contestant for GoZero {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        if self.refuses(now) {
            self.calls.add(CallCounts::REFUSAL, now);
            Route::Refused(CallId(0))
        } else {
            Route::Primary(CallId(0))
        }
    }

    fn primary_ended(&mut self, _pass: CallId, end: End, now: Timestamp) {
        let end = if end == End::Dropped {
            self.settings.cancelled
        } else {
            end
        };
        match end {
            End::Success => self.calls.add(CallCounts::SUCCESS, now),
            End::Failure => self.calls.add(CallCounts::FAILURE, now),
            End::Dropped => {}
        }
    }

    /// Returns the state that the last call found.
    fn gate(&self, _now: Timestamp) -> Gate {
        if self.probability > 0.0 {
            Gate::HalfOpen
        } else {
            Gate::Closed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::script::Script;

    fn default() -> Script<GoZero> {
        Script::new(GoZero::new(Settings::DEFAULT, 1))
    }

    fn fail_for(script: &mut Script<GoZero>, calls: u32, apart: f64) -> u32 {
        let mut admitted = 0;
        for _ in 0..calls {
            if let Route::Primary(id) = script.ask() {
                script.end(id, End::Failure);
                admitted += 1;
            }
            script.wait(apart);
        }
        admitted
    }

    #[test]
    fn five_failures_are_free_and_the_sixth_makes_refusals_possible() {
        let mut script = default();
        script.calls(5, End::Failure);
        assert_eq!(script.contestant.ratios(script.now), (0.0, 0.0));
        script.call(End::Failure);
        assert_eq!(script.contestant.ratios(script.now), (1.0 / 7.0, 1.0 / 7.0));
    }

    #[test]
    fn the_formula_on_one_bucket() {
        let mut script = default();
        script.calls(20, End::Success);
        let contestant = &mut script.contestant;
        for _ in 0..79 {
            contestant.primary_ended(CallId(0), End::Failure, script.now);
        }
        // (99 − 5 − 1.5 × 20) ÷ (99 + 1)
        assert_eq!(contestant.ratios(script.now), (0.64, 0.64));
    }

    #[test]
    fn k_falls_with_buckets_in_which_nothing_succeeded() {
        let mut script = default();
        script.calls(20, End::Success);
        for _ in 0..4 {
            script.wait(0.25);
            for _ in 0..20 {
                script.contestant.primary_ended(CallId(0), End::Failure, script.now);
            }
        }
        // Four of forty buckets: K = 1.5 − 0.4 × 4 ÷ 40.
        let (ratio, _) = script.contestant.ratios(script.now);
        assert!((ratio - (100.0 - 5.0 - 1.46 * 20.0) / 101.0).abs() < 1e-12);
    }

    #[test]
    fn buckets_without_a_failure_reduce_it() {
        let mut script = default();
        for _ in 0..100 {
            script.contestant.primary_ended(CallId(0), End::Failure, script.now);
        }
        for _ in 0..10 {
            script.wait(0.25);
            script.contestant.primary_ended(CallId(0), End::Success, script.now);
        }
        let (ratio, softened) = script.contestant.ratios(script.now);
        assert!((softened - ratio * 0.75).abs() < 1e-12);
    }

    #[test]
    fn a_call_is_let_through_after_a_second_without_one() {
        let mut script = default();
        fail_for(&mut script, 2000, 0.01);
        // Few of a hundred per second get through; one per second always does.
        let admitted = fail_for(&mut script, 2000, 0.01);
        assert!((15..60).contains(&admitted), "{admitted}");
    }

    #[test]
    fn the_window_forgets_after_ten_seconds() {
        let mut script = default();
        fail_for(&mut script, 100, 0.0);
        script.wait(10.0);
        assert_eq!(script.contestant.ratios(script.now), (0.0, 0.0));
    }
}
