use std::time::Duration;

use super::{
    Timestamp,
    invalid::ConfigError,
    policy::{Policy, TripPolicy},
    reason::TripReason,
    window::Counts,
};

/// The default trip policy: bad calls have outnumbered good ones by more than chance would give.
///
/// A CUSUM (Page, *Continuous inspection schemes*, 1954) over single calls. With θ the tolerated rate of bad calls, a bad
/// call puts a = (1 − θ)/θ into a bucket and a good one takes 1 out, never below 0. It trips when the bucket
/// holds at least max(8, 3·√(a·n)), where n is the number of calls judged since it left 0, and has been above 0 for half a second.
///
/// There is no window to fill, no minimum number of calls, and no healthy history that dilutes an outage.
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

/// a = (1 − θ)/θ is rarely a binary number, and a sum of many is off by a little.
const ROUNDING: f64 = 1e-9;

impl Evidence {
    /// Tolerates this rate of bad calls (θ); between 0 and 1, both excluded. Default: 0.5.
    #[must_use]
    pub const fn tolerating(rate: f64) -> Self {
        Self {
            tolerated_rate: rate,
            minimum_excess: 8.0,
            sustained_for: Duration::from_millis(500),
        }
    }

    /// The least that the bucket has to hold, however few the calls. At least 1. Default: 8.
    #[must_use]
    pub const fn minimum_excess(self, excess: f64) -> Self {
        Self {
            minimum_excess: excess,
            ..self
        }
    }

    /// How long the bucket has to have been above 0: what rides out a pause or a blip. Default: 500 ms.
    #[must_use]
    pub const fn sustained_for(self, duration: Duration) -> Self {
        Self {
            sustained_for: duration,
            ..self
        }
    }

    pub(super) fn weight(self) -> f64 {
        (1.0 - self.tolerated_rate) / self.tolerated_rate
    }

    pub(super) fn check(self) -> Result<(), ConfigError> {
        if !(self.tolerated_rate >= 0.001 && self.tolerated_rate <= 0.999) {
            return Err(ConfigError::new(
                "evidence.tolerated_rate",
                self.tolerated_rate,
                "a rate from 0.001 to 0.999",
            ));
        }
        if !(self.minimum_excess >= 1.0 && self.minimum_excess <= 1e9) {
            return Err(ConfigError::new(
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

impl TripPolicy for Evidence {
    fn trip(&self, counts: &Counts) -> Option<TripReason> {
        let bucket = counts.bucket?;
        let threshold = bucket.threshold(self.minimum_excess, SIGMAS);
        let enough = bucket.reaches(threshold) && bucket.above_zero_for >= self.sustained_for;
        enough.then_some(TripReason::Evidence {
            level: bucket.level,
            threshold,
            bad: bucket.bad,
            calls: bucket.judged,
            over: bucket.above_zero_for,
        })
    }

    fn into_policy(self) -> Policy {
        Policy::Evidence(self)
    }
}

/// The failure bucket: how far bad calls have outweighed good ones since they last broke even.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    weight: f64,
    level: f64,
    judged: u64,
    bad: u64,
    since: Timestamp,
}

impl Bucket {
    /// An empty bucket into which each bad call puts `weight`.
    pub(super) fn new(weight: f64) -> Self {
        Self {
            weight,
            level: 0.0,
            judged: 0,
            bad: 0,
            since: Timestamp::START,
        }
    }

    pub(super) fn good(&mut self) {
        if self.level > 0.0 {
            self.level -= 1.0;
            self.judged += 1;
            if self.level <= ROUNDING {
                *self = Self::new(self.weight);
            }
        }
    }

    pub(super) fn bad(&mut self, at: Timestamp) {
        if self.level == 0.0 {
            self.since = at;
        }
        self.level += self.weight;
        self.judged += 1;
        self.bad += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.level == 0.0
    }

    /// From when on this bucket, if it stays as it is, is reason enough to trip.
    pub(super) fn ripe_at(&self, evidence: Evidence) -> Option<Timestamp> {
        let view = self.view(self.since);
        let full = view.reaches(view.threshold(evidence.minimum_excess, SIGMAS));
        full.then(|| self.since + evidence.sustained_for)
    }

    /// The same evidence, with another weight for what follows.
    pub(super) fn reweighted(self, weight: f64) -> Self {
        Self { weight, ..self }
    }

    pub(super) fn view(&self, now: Timestamp) -> BucketView {
        BucketView {
            level: self.level,
            weight: self.weight,
            judged: self.judged,
            bad: self.bad,
            above_zero_for: if self.is_empty() {
                Duration::ZERO
            } else {
                now.since(self.since)
            },
        }
    }
}

/// What the failure bucket of [`Evidence`] holds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BucketView {
    /// How far bad calls outweigh good ones.
    pub level: f64,
    /// What one bad call adds.
    pub weight: f64,
    /// Calls judged since the bucket left 0.
    pub judged: u64,
    /// Those of them that were bad.
    pub bad: u64,
    /// How long the bucket has been above 0.
    pub above_zero_for: Duration,
}

impl BucketView {
    /// Whether the level is at the threshold or above, but for what was lost in rounding.
    pub(super) fn reaches(&self, threshold: f64) -> bool {
        self.level >= threshold * (1.0 - ROUNDING)
    }

    /// max(minimum, sigmas·√(weight·judged)): what chance alone would hardly ever give.
    pub(super) fn threshold(&self, minimum: f64, sigmas: f64) -> f64 {
        minimum.max(sigmas * (self.weight * self.judged as f64).sqrt())
    }
}
