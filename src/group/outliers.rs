use std::{
    sync::{Arc, Mutex, TryLockError},
    time::Duration,
};

use crate::{
    clock::{Clock, TokioClock},
    machine::{ConfigError, Timestamp, TripReason},
};

/// Trips the breakers of instances that fail clearly more often than the others of their [`Group`](super::Group).
///
/// Every so often, the failure rates since the last time are compared: an instance is an outlier where its rate reaches the mean plus 1.9
/// standard deviations (as Envoy's success-rate ejection has it), and exceeds the mean by 5 percentage points. Only instances with 100 calls
/// in that time are compared, and only if there are 5 of them. An absolute policy need not be met: where all others fail at 1 %, one that
/// fails at 10 % trips, though no policy of its own would mind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outliers {
    every: Duration,
    minimum_calls: u64,
    minimum_breakers: usize,
    deviations: f64,
    minimum_excess: f64,
}

impl Outliers {
    /// Every 10 s, 100 calls, 5 instances, 1.9 standard deviations, 5 percentage points.
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

    /// How often, at most; it is done when a call has failed. Above 0, at most 365 days.
    #[must_use]
    pub const fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// How many calls an instance must have had in that time. At least 1.
    #[must_use]
    pub const fn minimum_calls(self, minimum_calls: u64) -> Self {
        Self { minimum_calls, ..self }
    }

    /// How many such instances there must be. At least 3: of two, none is the odd one out.
    #[must_use]
    pub const fn minimum_breakers(self, minimum_breakers: usize) -> Self {
        Self {
            minimum_breakers,
            ..self
        }
    }

    /// How many standard deviations above the mean. Above 0, at most 10; among n instances, none can be more than √(n − 1) above it.
    #[must_use]
    pub const fn deviations(self, deviations: f64) -> Self {
        Self { deviations, ..self }
    }

    /// By how much a rate has to exceed the mean at least, from 0 to 1: where hardly any calls fail, a single one would make an outlier.
    #[must_use]
    pub const fn minimum_excess(self, minimum_excess: f64) -> Self {
        Self { minimum_excess, ..self }
    }

    fn check(self) -> Result<Self, ConfigError> {
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

    /// Which of these failed that much more often than the others, and why that is so.
    fn among(self, tallies: &[CallCounts]) -> Vec<(usize, TripReason)> {
        let rates: Vec<(usize, f64)> = (0..)
            .zip(tallies)
            .filter(|(_, call_counts)| call_counts.calls >= self.minimum_calls)
            .map(|(index, call_counts)| (index, call_counts.failed as f64 / call_counts.calls as f64))
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

/// What a breaker's calls came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallCounts {
    pub(crate) failed: u64,
    /// Those that ended well, or failed.
    pub(crate) calls: u64,
}

impl CallCounts {
    fn since(self, last: Self) -> Self {
        Self {
            failed: self.failed - last.failed,
            calls: self.calls - last.calls,
        }
    }
}

/// A breaker that is compared with the others of its group.
pub(crate) trait Candidate: Send + Sync {
    /// What its calls came to since it was made.
    fn call_counts(&self) -> CallCounts;

    fn trip_as_outlier(&self, reason: TripReason);
}

/// Compares, when it is time.
#[derive(Debug)]
pub(super) struct OutlierDetector {
    outliers: Outliers,
    clock: Box<dyn Clock>,
    last: Mutex<Sweep>,
}

/// The last comparison.
#[derive(Debug, Default)]
struct Sweep {
    at: Timestamp,
    /// By the address of the breaker.
    tallies: Vec<(usize, CallCounts)>,
}

impl OutlierDetector {
    pub(super) fn new(outliers: Outliers, clock: Option<Box<dyn Clock>>) -> Result<Self, ConfigError> {
        let clock = clock.unwrap_or_else(|| Box::new(TokioClock::new()));
        let first = Sweep {
            at: clock.now().into(),
            tallies: Vec::new(),
        };
        Ok(Self {
            outliers: outliers.check()?,
            clock,
            last: Mutex::new(first),
        })
    }

    /// To be called with no breaker's lock held.
    pub(super) fn sit_if_due(&self, members: impl FnOnce() -> Vec<Arc<dyn Candidate>>) {
        let now = Timestamp::from(self.clock.now());
        let mut last = match self.last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(last)) => last.into_inner(),
            // Somebody is at it.
            Err(TryLockError::WouldBlock) => return,
        };
        if now.since(last.at) < self.outliers.every {
            return;
        }
        let members = members();
        let id = |member: &Arc<dyn Candidate>| Arc::as_ptr(member).cast::<()>() as usize;
        let tallies: Vec<(usize, CallCounts)> = members
            .iter()
            .map(|member| (id(member), member.call_counts()))
            .collect();
        let recent: Vec<CallCounts> = tallies
            .iter()
            .map(|(id, call_counts)| {
                let before = last.tallies.iter().find(|(other, _)| other == id);
                call_counts.since(before.map_or_else(CallCounts::default, |(_, call_counts)| *call_counts))
            })
            .collect();
        *last = Sweep { at: now, tallies };
        // Tripping tells observers, who may do anything.
        drop(last);
        for (index, reason) in self.outliers.among(&recent) {
            members[index].trip_as_outlier(reason);
        }
    }
}
