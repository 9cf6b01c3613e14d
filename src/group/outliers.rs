//! Which breakers of a group are outliers. Pure: counts in, trips out.

use std::time::Duration;

use super::detector::CallCounts;
use crate::machine::{ConfigError, TripReason};

/// A rule that trips breakers whose instance fails clearly more often than the others of their
/// [`Group`](super::Group).
///
/// Every 10 s the failure rates since the last comparison are compared. An instance is an outlier
/// if its rate reaches the mean plus 1.9 standard deviations, as in Envoy's success-rate ejection,
/// and exceeds the mean by 5 percentage points. Only instances with 100 calls in that time are
/// compared, and only if there are 5 of them.
///
/// The rule is relative: if all others fail at 1 %, an instance that fails at 10 % trips, though no
/// policy of its own breaker would trip it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outliers {
    every: Duration,
    minimum_calls: u64,
    minimum_breakers: usize,
    deviations: f64,
    minimum_excess: f64,
}

impl Outliers {
    /// Returns the defaults: every 10 s, 100 calls, 5 instances, 1.9 standard deviations, 5
    /// percentage points.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            every: Duration::from_secs(10),
            minimum_calls: 100,
            minimum_breakers: 5,
            deviations: 1.9,
            minimum_excess: 0.05,
        }
    }

    /// Sets the least time between two comparisons. Above 0, at most 365 days.
    ///
    /// After that, the next step of one of the breakers, such as a failed call, compares them.
    #[must_use]
    pub const fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Sets how many calls an instance must have had in that time to be compared. At least 1.
    #[must_use]
    pub const fn minimum_calls(self, minimum_calls: u64) -> Self {
        Self { minimum_calls, ..self }
    }

    /// Sets how many such instances there must be. At least 3: of two, neither is the odd one out.
    #[must_use]
    pub const fn minimum_breakers(self, minimum_breakers: usize) -> Self {
        Self {
            minimum_breakers,
            ..self
        }
    }

    /// Sets how many standard deviations above the mean a rate must be. Above 0, at most 10.
    ///
    /// Among n instances, none can be more than √(n − 1) above the mean.
    #[must_use]
    pub const fn deviations(self, deviations: f64) -> Self {
        Self { deviations, ..self }
    }

    /// Sets by how much a rate must exceed the mean at least, from 0 to 1.
    ///
    /// Without this, a single failed call would make an outlier where hardly any calls fail.
    #[must_use]
    pub const fn minimum_excess(self, minimum_excess: f64) -> Self {
        Self { minimum_excess, ..self }
    }

    pub(super) const fn interval(self) -> Duration {
        self.every
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range.
    pub(super) fn check(self) -> Result<Self, ConfigError> {
        ConfigError::check_duration("outliers.every", self.every)?;
        if self.minimum_calls == 0 {
            return Err(ConfigError::out_of_range("outliers.minimum_calls", 0, "1 or more"));
        }
        if self.minimum_breakers < 3 {
            return Err(ConfigError::out_of_range(
                "outliers.minimum_breakers",
                self.minimum_breakers,
                "3 or more",
            ));
        }
        if !(self.deviations > 0.0 && self.deviations <= 10.0) {
            return Err(ConfigError::out_of_range(
                "outliers.deviations",
                self.deviations,
                "a number above 0 and up to 10",
            ));
        }
        if !(0.0..=1.0).contains(&self.minimum_excess) {
            return Err(ConfigError::out_of_range(
                "outliers.minimum_excess",
                self.minimum_excess,
                "0 to 1",
            ));
        }
        Ok(self)
    }

    /// Returns the index of each outlier among these counts, with the reason to trip it.
    pub(super) fn find(self, counts: &[CallCounts]) -> Vec<(usize, TripReason)> {
        let rates: Vec<(usize, f64)> = (0..)
            .zip(counts)
            .filter(|(_, counts)| counts.calls >= self.minimum_calls)
            .map(|(index, counts)| (index, counts.failed as f64 / counts.calls as f64))
            .collect();
        if rates.len() < self.minimum_breakers {
            return Vec::new();
        }
        let n = rates.len() as f64;
        let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / n;
        let variance = rates.iter().map(|(_, rate)| (rate - mean).powi(2)).sum::<f64>() / n;
        let threshold = mean + (self.deviations * variance.sqrt()).max(self.minimum_excess);
        rates
            .iter()
            .filter(|(_, rate)| *rate >= threshold && *rate > mean)
            .map(|(index, rate)| {
                let reason = TripReason::Outlier {
                    rate: *rate,
                    threshold,
                    mean,
                    breakers: rates.len() as u64,
                };
                (*index, reason)
            })
            .collect()
    }
}

impl Default for Outliers {
    fn default() -> Self {
        Self::new()
    }
}
