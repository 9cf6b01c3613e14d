//! The failure bucket: the level that [`Evidence`] goes by.
//!
//! A bad call raises the level, a good one lowers it, and it never falls below 0. The closed
//! breaker has one for each evidence policy, and each stage of half-open has one of its own.

use std::time::Duration;

use super::{
    counts::BucketView,
    evidence::{Evidence, ROUNDING, reaches},
};
use crate::machine::{completion::Assessment, time::Timestamp};

/// A measure of how far bad calls have outweighed good ones since they last broke even.
#[derive(Clone, Debug)]
pub(in crate::machine) struct Bucket {
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
    /// Since when the level has been above 0.
    since: Timestamp,
    /// Since when the level has been at three quarters of what it takes to trip.
    full_enough: Option<Timestamp>,
    /// Whether a call has been good, or has failed, since then: there were answers.
    answered: bool,
}

impl Content {
    fn is_full_enough(&self, evidence: Evidence) -> bool {
        evidence.is_nearly_reached(self.level, self.judged)
    }
}

impl Bucket {
    /// Returns an empty bucket, to which each bad call adds the weight that the policy gives it.
    pub(in crate::machine) fn new(evidence: Evidence) -> Self {
        Self {
            evidence,
            content: Content::default(),
            last_answer: Timestamp::START,
        }
    }

    /// Records a good call that came back at `now`.
    pub(in crate::machine) fn record_good(&mut self, now: Timestamp) {
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

    /// Records good calls, the last of which came back at `last`. The bucket must
    /// [allow a batch](Self::can_batch).
    pub(super) fn record_successes(&mut self, calls: u64, last: Timestamp) {
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

    /// Returns whether good calls do nothing but lower the level, so that it doesn't matter when
    /// they are recorded.
    pub(super) fn can_batch(&self) -> bool {
        self.content.full_enough.is_none() && !self.content.is_full_enough(self.evidence)
    }

    /// Records a call that has been bad from `at` on.
    pub(in crate::machine) fn record_bad(&mut self, assessment: Assessment, at: Timestamp) {
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

    pub(in crate::machine) fn is_empty(&self) -> bool {
        self.content.level == 0.0
    }

    /// Returns whether the level is at least this.
    pub(in crate::machine) fn holds(&self, level: f64) -> bool {
        reaches(self.content.level, level)
    }

    /// Returns whether the bucket holds what it takes to trip.
    pub(super) fn is_full(&self) -> bool {
        self.evidence.is_reached(self.content.level, self.content.judged)
    }

    /// Returns from when on this bucket, if it stays as it is, is reason enough to trip.
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

    /// Returns the same content, under another policy for what follows.
    pub(super) fn under(self, evidence: Evidence) -> Self {
        Self { evidence, ..self }
    }

    pub(in crate::machine) fn view(&self, now: Timestamp) -> BucketView {
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
