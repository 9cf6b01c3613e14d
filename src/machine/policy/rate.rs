//! The two policies that go by a rate over a sliding window: of failures, and of slow calls.
//!
//! Both trip when their rate reaches a threshold, but not before the window holds enough calls for
//! a rate to mean anything. A window of no calls has no rate, and never trips.

use super::{counts::Counts, reason::TripReason, window::SlidingWindow};
use crate::machine::error::ConfigError;

/// A rate policy's settings, which both of them share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) threshold: f64,
    pub(crate) window: SlidingWindow,
    pub(crate) minimum_calls: Option<u64>,
}

impl Rate {
    const fn at_least(threshold: f64) -> Self {
        Self {
            threshold,
            window: SlidingWindow::Calls(100),
            minimum_calls: None,
        }
    }

    /// Returns the window's calls; without end for a window of time.
    fn most_calls(self) -> u64 {
        match self.window {
            SlidingWindow::Calls(calls) => calls as u64,
            SlidingWindow::Time(_) => u64::MAX,
        }
    }

    fn minimum_calls(self) -> u64 {
        self.minimum_calls.unwrap_or_else(|| self.most_calls().min(20))
    }

    /// Returns whether so many calls are enough for a rate to mean anything.
    pub(super) fn has_enough(self, calls: u64) -> bool {
        calls >= self.minimum_calls()
    }

    fn exceeded_by(self, rate: Option<f64>, calls: u64) -> Option<f64> {
        rate.filter(|rate| self.has_enough(calls) && *rate >= self.threshold)
    }

    fn check(self, policy: &str) -> Result<(), ConfigError> {
        ConfigError::check_rate(format!("{policy}.threshold"), self.threshold)?;
        self.window.check(format!("{policy}.window"))?;
        if !(1..=self.most_calls()).contains(&self.minimum_calls()) {
            return Err(ConfigError::out_of_range(
                format!("{policy}.minimum_calls"),
                self.minimum_calls(),
                match self.window {
                    SlidingWindow::Calls(calls) => format!("1 to {calls} (the window's calls)"),
                    SlidingWindow::Time(_) => "1 or more".to_owned(),
                },
            ));
        }
        Ok(())
    }
}

macro_rules! rate_policy {
    ($(#[$doc:meta])* $name:ident, $rate:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name(pub(crate) Rate);

        impl $name {
            /// Trips at this rate or above; above 0 and up to 1.
            #[must_use]
            pub const fn at_least(threshold: f64) -> Self {
                Self(Rate::at_least(threshold))
            }

            /// Takes the rate over these calls. Default: the last 100.
            #[must_use]
            pub const fn over(self, window: SlidingWindow) -> Self {
                Self(Rate { window, ..self.0 })
            }

            /// Asks for this many calls before the rate means anything. At least 1, at most the
            /// window's. Default: 20, or the window's calls where those are fewer.
            #[must_use]
            pub const fn minimum_calls(self, calls: u64) -> Self {
                Self(Rate { minimum_calls: Some(calls), ..self.0 })
            }

            pub(super) fn reason_to_trip(self, counts: &Counts) -> Option<TripReason> {
                let rate = self.0.exceeded_by(counts.$rate(), counts.calls)?;
                Some(TripReason::$name { rate, threshold: self.0.threshold, calls: counts.calls })
            }

            pub(super) fn check(self) -> Result<(), ConfigError> {
                self.0.check(stringify!($rate))
            }
        }
    };
}

rate_policy! {
    /// A policy that trips when failed calls ÷ calls in a sliding window reaches a threshold.
    ///
    /// It sees failures only: for slow calls, add [`SlowCallRate`] with
    /// [`or`](super::TripPolicy::or).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_breaker::policy::{FailureRate, SlidingWindow, SlowCallRate, TripPolicy};
    ///
    /// let last_minute = SlidingWindow::last(Duration::from_secs(60));
    /// let policy = FailureRate::at_least(0.5)
    ///     .over(last_minute)
    ///     .minimum_calls(10)
    ///     .or(SlowCallRate::at_least(0.8).over(last_minute));
    /// ```
    FailureRate, failure_rate
}

rate_policy! {
    /// A policy that trips when slow calls ÷ calls in a sliding window reaches a threshold. It
    /// needs a `slow_after` other than [`Never`](crate::config::SlowAfter::Never).
    SlowCallRate, slow_call_rate
}
