use std::time::Duration;

use fastrand::Rng;
use tower_breaker::clock::Timestamp;

use super::tally::{Buckets, Tally};
use crate::contestant::{Call, Contestant, End, Gate, Pass, Route};

/// Client-side throttling from Google's SRE book, "Handling Overload".
///
/// A call is refused with probability (requests − K · accepts) ÷ (requests + 1), both counted over a window; a refused
/// one is a request too. One that is let through counts when it has ended, as in Kratos: counted from its start, it would
/// have a start from cold refuse most calls. The book says nothing of cancelled calls: they don't count.
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

    /// K 2 is where half of the calls fail. A window as short as that because it has to be filled with success before
    /// the last call is let through again.
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
            self.calls.add(Tally::REFUSAL, now);
            Route::Refused(Pass(0))
        } else {
            Route::Primary(Pass(0))
        }
    }

    fn primary_ended(&mut self, _pass: Pass, end: End, now: Timestamp) {
        match end {
            End::Success => self.calls.add(Tally::SUCCESS, now),
            End::Failure => self.calls.add(Tally::FAILURE, now),
            End::Dropped => {}
        }
    }

    /// As the last call that asked found it.
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
    fn a_dead_primary_is_asked_ever_less() {
        let mut script = default();
        script.calls(100, End::Success);
        let mut admitted = 0;
        for _ in 0..10_000 {
            if let Route::Primary(pass) = script.ask() {
                script.end(pass, End::Failure);
                admitted += 1;
            }
        }
        // 2 × 100 accepts, and what luck lets through of ever fewer.
        assert!((200..1500).contains(&admitted), "{admitted}");
        assert_eq!(script.gate(), Gate::HalfOpen);
    }

    #[test]
    fn calls_in_flight_and_cancelled_ones_do_not_count() {
        let mut script = default();
        for _ in 0..1000 {
            let pass = script.start();
            script.end(pass, End::Dropped);
            script.start();
        }
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn the_window_forgets_after_two_minutes() {
        let mut script = default();
        for _ in 0..1000 {
            if let Route::Primary(pass) = script.ask() {
                script.end(pass, End::Failure);
            }
        }
        script.wait(121.0);
        script.call(End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }
}
