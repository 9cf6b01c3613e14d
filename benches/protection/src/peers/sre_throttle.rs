//! The throttle of the SRE book.

use std::time::Duration;

use fastrand::Rng;
use tower_breaker::clock::Timestamp;

use super::call_counts::{Buckets, CallCounts};
use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// Client-side throttling from Google's SRE book, "Handling Overload".
///
/// It refuses a call with probability (requests − K · accepts) ÷ (requests + 1), both counted over
/// a window. A refused call is a request, too. A call that is let through counts when it has ended,
/// like in Kratos: if it counted from its start, most calls after a cold start would be refused.
/// The book says nothing of cancelled calls; here they don't count.
#[derive(Debug)]
pub(super) struct SreThrottle {
    k: f64,
    calls: Buckets,
    probability: f64,
    rng: Rng,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) k: f64,
    pub(super) window: Duration,
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        k: 2.0,
        window: Duration::from_secs(120),
    };

    /// With K = 2, it begins to refuse when half of the calls fail. The window is short, because it
    /// has to fill with successes before the last call is let through again.
    pub(super) const TUNED: Self = Self {
        k: 2.0,
        window: Duration::from_secs(2),
    };
}

impl SreThrottle {
    const BUCKETS: u16 = 40;

    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            k: settings.k,
            calls: Buckets::new(settings.window / u32::from(Self::BUCKETS), usize::from(Self::BUCKETS)),
            probability: 0.0,
            rng: super::rng(seed),
        }
    }
}

fn probability(requests: u32, accepts: u32, k: f64) -> f64 {
    ((f64::from(requests) - k * f64::from(accepts)) / f64::from(requests + 1)).max(0.0)
}

impl Contestant for SreThrottle {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        let sum = self.calls.sum(now);
        self.probability = probability(sum.calls() + sum.refused, sum.successes, self.k);
        if self.rng.f64() < self.probability {
            self.calls.add(CallCounts::REFUSAL, now);
            Route::Refused(CallId(0))
        } else {
            Route::Primary(CallId(0))
        }
    }

    fn primary_ended(&mut self, _pass: CallId, end: End, now: Timestamp) {
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

    fn default() -> Script<SreThrottle> {
        Script::new(SreThrottle::new(Settings::DEFAULT, 1))
    }

    #[test]
    fn the_formula() {
        assert_eq!(probability(100, 50, 2.0), 0.0);
        assert_eq!(probability(99, 0, 2.0), 0.99);
        assert_eq!(probability(199, 50, 2.0), 0.495);
        assert_eq!(probability(0, 0, 2.0), 0.0);
    }

    #[test]
    fn half_of_the_calls_may_fail_before_any_is_refused() {
        let mut script = default();
        for n in 0..10_000 {
            script.call(if n % 2 == 0 { End::Success } else { End::Failure });
        }
    }

    #[test]
    fn a_dead_primary_gets_ever_fewer_calls() {
        let mut script = default();
        script.calls(100, End::Success);
        let mut admitted = 0;
        for _ in 0..10_000 {
            if let Route::Primary(id) = script.ask() {
                script.end(id, End::Failure);
                admitted += 1;
            }
        }
        // 2 × 100 accepts, and a shrinking number that is let through by chance.
        assert!((200..1500).contains(&admitted), "{admitted}");
        assert_eq!(script.gate(), Gate::HalfOpen);
    }

    #[test]
    fn calls_in_flight_and_cancelled_ones_do_not_count() {
        let mut script = default();
        for _ in 0..1000 {
            let id = script.start();
            script.end(id, End::Dropped);
            script.start();
        }
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn the_window_forgets_after_two_minutes() {
        let mut script = default();
        for _ in 0..1000 {
            if let Route::Primary(id) = script.ask() {
                script.end(id, End::Failure);
            }
        }
        script.wait(121.0);
        script.call(End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }
}
