use std::time::Duration;

use super::{
    Assessment, Timestamp,
    invalid::ConfigError,
    policy::{Policy, TripPolicy},
    reason::TripReason,
    window::Counts,
};

/// The default trip policy: bad calls have outnumbered good ones by more than chance would give.
///
/// A CUSUM (Page, *Continuous inspection schemes*, 1954) over single calls. With θ the tolerated rate of bad calls, a bad
/// call puts a = (1 − θ)/θ into a bucket and a good one takes 1 out, never below 0. It trips when the bucket
/// holds at least max(8, 3·√(a·n)), where n is the number of calls judged since it left 0, and has held at least three quarters of that for half a second.
///
/// A stall is no outage: calls that merely hang need a whole second with no answer at all, be it good or an error; and the first good answer
/// after half a second without any begins the half second anew.
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

/// What it takes to trip has to be reached; so much of it has to have lasted. The more, the fewer trips on a rate just below θ.
const FULL_ENOUGH: f64 = 0.75;

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

    /// How long the bucket has to have held three quarters of what it takes to trip: what rides out a blip. Twice as long, where calls merely hang,
    /// there must have been no answer: what rides out a pause. Default: 500 ms.
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

    pub(super) fn threshold(self, judged: u64) -> f64 {
        threshold(self.minimum_excess, SIGMAS, self.weight(), judged)
    }

    fn is_reached(self, level: f64, judged: u64) -> bool {
        // Below the least that it takes there is no root to be drawn, as for most calls.
        reaches(level, self.minimum_excess) && reaches(level, self.threshold(judged))
    }

    fn longest_pause(self) -> Duration {
        self.sustained_for.saturating_mul(2)
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

    fn into_policy(self) -> Policy {
        Policy::Evidence(self)
    }
}

/// The failure bucket: how far bad calls have outweighed good ones since they last broke even.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    evidence: Evidence,
    content: Content,
    /// When the last call came back, good or failed.
    last_answer: Timestamp,
}

#[derive(Clone, Debug, Default)]
struct Content {
    level: f64,
    judged: u64,
    bad: u64,
    since: Timestamp,
    /// Since when it has held three quarters of what it takes to trip.
    full_enough: Option<Timestamp>,
    /// Whether a call has been good, or has failed, since then: there were answers.
    answered: bool,
}

impl Content {
    fn is_full_enough(&self, evidence: Evidence) -> bool {
        reaches(self.level, FULL_ENOUGH * evidence.minimum_excess)
            && reaches(self.level, FULL_ENOUGH * evidence.threshold(self.judged))
    }
}

impl Bucket {
    /// An empty bucket, into which each bad call puts the weight that the policy gives it.
    pub(super) fn new(evidence: Evidence) -> Self {
        Self {
            evidence,
            content: Content::default(),
            last_answer: Timestamp::START,
        }
    }

    pub(super) fn good(&mut self, now: Timestamp) {
        let quiet_for = now.since(self.last_answer);
        self.last_answer = now;
        let content = &mut self.content;
        if content.level <= 0.0 {
            return;
        }
        content.level -= 1.0;
        content.judged += 1;
        content.answered = true;
        if content.level <= ROUNDING {
            *content = Content::default();
        } else if !content.is_full_enough(self.evidence) {
            content.full_enough = None;
        } else if quiet_for >= self.evidence.sustained_for || content.full_enough.is_none() {
            content.full_enough = Some(now);
        }
    }

    /// Takes good calls, the last of which came back at `last`. They must find the bucket [calm](Self::is_calm).
    pub(super) fn good_calls(&mut self, calls: u64, last: Timestamp) {
        self.last_answer = self.last_answer.max(last);
        let content = &mut self.content;
        if calls as f64 >= content.level - ROUNDING {
            *content = Content::default();
        } else {
            content.level -= calls as f64;
            content.judged += calls;
            content.answered = true;
        }
    }

    /// Whether good calls do nothing but lower the level, so that it doesn't matter when they are told.
    pub(super) fn is_calm(&self) -> bool {
        self.content.full_enough.is_none() && !self.content.is_full_enough(self.evidence)
    }

    /// Takes a call that has been bad from `at` on.
    pub(super) fn bad(&mut self, assessment: Assessment, at: Timestamp) {
        if assessment.failed {
            self.last_answer = self.last_answer.max(at);
        }
        let content = &mut self.content;
        if content.level == 0.0 {
            content.since = at;
        }
        content.level += self.evidence.weight();
        content.judged += 1;
        content.bad += 1;
        if content.full_enough.is_none() && content.is_full_enough(self.evidence) {
            content.full_enough = Some(at);
            content.answered = false;
        }
        content.answered |= assessment.failed;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.content.level == 0.0
    }

    /// Whether it holds that much.
    pub(super) fn holds(&self, level: f64) -> bool {
        reaches(self.content.level, level)
    }

    /// Whether it holds what it takes to trip.
    pub(super) fn is_full(&self) -> bool {
        self.evidence.is_reached(self.content.level, self.content.judged)
    }

    /// From when on this bucket, if it stays as it is, is reason enough to trip.
    pub(super) fn trips_at(&self) -> Option<Timestamp> {
        let (evidence, content) = (self.evidence, &self.content);
        let full_enough = content.full_enough.filter(|_| self.is_full())?;
        let lasted = full_enough + evidence.sustained_for;
        Some(if content.answered {
            lasted
        } else {
            lasted.max(self.last_answer + evidence.longest_pause())
        })
    }

    /// The same content, under another policy for what follows.
    pub(super) fn under(self, evidence: Evidence) -> Self {
        Self { evidence, ..self }
    }

    pub(super) fn view(&self, now: Timestamp) -> BucketView {
        let content = &self.content;
        BucketView {
            level: content.level,
            weight: self.evidence.weight(),
            judged: content.judged,
            bad: content.bad,
            above_zero_for: if self.is_empty() {
                Duration::ZERO
            } else {
                now.since(content.since)
            },
            lasted: content.full_enough.map(|since| now.since(since)),
            silent_for: (content.full_enough.is_some() && !content.answered).then(|| now.since(self.last_answer)),
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
    /// How long it has held at least three quarters of what it takes to trip; or less, where the first good answer after a silence has begun
    /// that time anew.
    pub lasted: Option<Duration>,
    /// Where there was no answer in that time, calls merely hang: how long ago the last answer was.
    pub silent_for: Option<Duration>,
}

/// max(minimum, sigmas·√(weight·judged)): what chance alone would hardly ever give.
pub(super) fn threshold(minimum: f64, sigmas: f64, weight: f64, judged: u64) -> f64 {
    minimum.max(sigmas * (weight * judged as f64).sqrt())
}

/// Whether a bucket's level is at a threshold or above, but for what was lost in rounding.
pub(super) fn reaches(level: f64, threshold: f64) -> bool {
    level >= threshold * (1.0 - ROUNDING)
}
