//! The default trip policy, as a setting: what it tolerates, and when its bucket is full.
//!
//! [`Bucket`](super::bucket::Bucket) holds the level; this says what the level means.

use std::time::Duration;

use super::{counts::Counts, reason::TripReason};
use crate::machine::error::ConfigError;

/// A trip policy, the default: it trips once bad calls have outnumbered good ones by more than
/// chance would give.
///
/// A CUSUM (Page, *Continuous inspection schemes*, 1954) over single calls. With θ the tolerated
/// rate of bad calls, a bad call puts a = (1 − θ)/θ into a bucket and a good one takes 1 out, never
/// below 0. It trips when the bucket holds at least max(8, 3·√(a·n)), where n is the number of
/// calls judged since it left 0, and has held at least three quarters of that for half a second.
///
/// A stall is no outage. Calls that merely hang need a whole second with no answer at all, be it
/// good or an error; and the first good answer after half a second without any begins the half
/// second anew.
///
/// There is no window to fill, no minimum number of calls, and no healthy history that dilutes an
/// outage.
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::Evidence;
///
/// // A backup whose answer is worth 80 % of a good one: tolerate at most 20 % of bad calls.
/// let policy = Evidence::tolerating(0.2).sustained_for(Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    pub(crate) tolerated_rate: f64,
    pub(crate) minimum_excess: f64,
    pub(crate) sustained_for: Duration,
}

/// Standard deviations of chance that the evidence has to exceed.
const SIGMAS: f64 = 3.0;

/// The part of the threshold that has to have lasted. The larger it is, the fewer trips there are
/// on a rate just below θ.
const FULL_ENOUGH: f64 = 0.75;

/// The tolerance of comparisons. a = (1 − θ)/θ is rarely a binary number, and a sum of many is off
/// by a little.
pub(super) const ROUNDING: f64 = 1e-9;

impl Evidence {
    /// Tolerates this rate of bad calls (θ): 0.001 to 0.999. Default: 0.5.
    #[must_use]
    pub const fn tolerating(rate: f64) -> Self {
        Self {
            tolerated_rate: rate,
            minimum_excess: 8.0,
            sustained_for: Duration::from_millis(500),
        }
    }

    /// Sets the least that the bucket has to hold, however few the calls. At least 1. Default: 8.
    #[must_use]
    pub const fn minimum_excess(self, excess: f64) -> Self {
        Self {
            minimum_excess: excess,
            ..self
        }
    }

    /// Sets how long the bucket has to have held three quarters of what it takes to trip, which
    /// rides out a blip. Where calls merely hang, there must have been no answer for twice as long,
    /// which rides out a pause. Default: 500 ms.
    #[must_use]
    pub const fn sustained_for(self, duration: Duration) -> Self {
        Self {
            sustained_for: duration,
            ..self
        }
    }

    /// Returns a: what one bad call adds.
    pub(super) fn weight(self) -> f64 {
        (1.0 - self.tolerated_rate) / self.tolerated_rate
    }

    pub(in crate::machine) fn threshold(self, judged: u64) -> f64 {
        threshold(self.minimum_excess, SIGMAS, self.weight(), judged)
    }

    /// Returns whether a bucket with this level is full: holds what it takes to trip.
    pub(super) fn is_reached(self, level: f64, judged: u64) -> bool {
        // Most calls stay below the minimum, and need no root.
        reaches(level, self.minimum_excess) && reaches(level, self.threshold(judged))
    }

    /// Returns whether a bucket with this level holds three quarters of what it takes to trip.
    pub(super) fn is_nearly_reached(self, level: f64, judged: u64) -> bool {
        reaches(level, FULL_ENOUGH * self.minimum_excess) && reaches(level, FULL_ENOUGH * self.threshold(judged))
    }

    /// Returns how long there may be no answer at all.
    pub(super) fn longest_pause(self) -> Duration {
        self.sustained_for.saturating_mul(2)
    }

    pub(super) fn reason_to_trip(self, counts: &Counts) -> Option<TripReason> {
        let bucket = counts.bucket?;
        let enough = self.is_reached(bucket.level, bucket.judged)
            && bucket.lasted.is_some_and(|lasted| lasted >= self.sustained_for)
            && bucket.silent_for.is_none_or(|silent| silent >= self.longest_pause());
        enough.then_some(TripReason::Evidence {
            level: bucket.level,
            threshold: self.threshold(bucket.judged),
            bad: bucket.bad,
            calls: bucket.judged,
            over: bucket.above_zero_for,
        })
    }

    pub(super) fn check(self) -> Result<(), ConfigError> {
        if !(self.tolerated_rate >= 0.001 && self.tolerated_rate <= 0.999) {
            return Err(ConfigError::out_of_range(
                "evidence.tolerated_rate",
                self.tolerated_rate,
                "a rate from 0.001 to 0.999",
            ));
        }
        if !(self.minimum_excess >= 1.0 && self.minimum_excess <= 1e9) {
            return Err(ConfigError::out_of_range(
                "evidence.minimum_excess",
                self.minimum_excess,
                "a number from 1 to 1e9",
            ));
        }
        if self.sustained_for.is_zero() {
            return Ok(()); // No guard against blips: a choice, not a mistake.
        }
        ConfigError::check_duration("evidence.sustained_for", self.sustained_for)
    }
}

impl Default for Evidence {
    fn default() -> Self {
        Self::tolerating(0.5)
    }
}

/// Returns max(minimum, sigmas·√(weight·judged)): what chance alone would hardly ever give.
pub(in crate::machine) fn threshold(minimum: f64, sigmas: f64, weight: f64, judged: u64) -> f64 {
    minimum.max(sigmas * (weight * judged as f64).sqrt())
}

/// Returns whether a bucket's level is at a threshold or above, but for what was lost in rounding.
pub(in crate::machine) fn reaches(level: f64, threshold: f64) -> bool {
    level >= threshold * (1.0 - ROUNDING)
}
