use super::{Cause, Nanos};
use crate::common::generated::plan::GOOD;

/// A call that came to a verdict.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    /// Whether it was known to have failed when it was judged.
    pub(super) at_once: bool,
    pub(super) failed: bool,
    pub(super) slow: bool,
    /// Since when it was bad, if it was.
    pub(super) since: Nanos,
    /// When that became known.
    pub(super) known: Nanos,
    /// What it weighed, if it was bad.
    pub(super) weight: u64,
    /// The policy that it was judged under: the least excess that trips, and for how long.
    pub(super) excess: u64,
    pub(super) sustained: Nanos,
}

impl Judged {
    pub(super) fn bad(&self) -> bool {
        self.failed || self.slow
    }
}

/// The failure bucket, its level in units of [`GOOD`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) level: u64,
    pub(crate) judged: u64,
    pub(crate) bad: u64,
    pub(super) since: Nanos,
    /// Since when three quarters of what trips has lasted, as far as that counts.
    pub(super) lasts_since: Option<Nanos>,
    /// Whether there was any answer since then.
    answered: bool,
    last_answer: Nanos,
}

impl Bucket {
    /// Plays the calls again, from an empty bucket.
    pub(super) fn replay(log: &[Judged]) -> Self {
        let mut bucket = Self::default();
        for call in log {
            if call.bad() {
                if bucket.level == 0 {
                    bucket.since = call.since;
                }
                bucket.level += call.weight;
                bucket.bad += 1;
                bucket.judged += 1;
                if bucket.lasts_since.is_none() && bucket.is_full(call.weight, call.excess, 3, 3) {
                    bucket.lasts_since = Some(call.since);
                    bucket.answered = false;
                }
                bucket.answered |= call.at_once;
                if call.at_once {
                    bucket.last_answer = call.known;
                }
                continue;
            }
            let quiet = call.known - bucket.last_answer;
            if bucket.level > GOOD {
                bucket.level -= GOOD;
                bucket.judged += 1;
                bucket.answered = true;
                if !bucket.is_full(call.weight, call.excess, 3, 3) {
                    bucket.lasts_since = None;
                } else if quiet >= call.sustained || bucket.lasts_since.is_none() {
                    bucket.lasts_since = Some(call.known);
                }
            } else {
                bucket = Self::default();
            }
            bucket.last_answer = call.known;
        }
        bucket
    }

    /// Whether it holds so many quarters of max(`excess`, `sigmas`·√(a·n)).
    pub(super) fn is_full(&self, weight: u64, excess: u64, sigmas: u64, quarters: u64) -> bool {
        let squared = |level: u64| u128::from(level) * u128::from(level);
        let by_chance = u128::from(GOOD) * squared(quarters * sigmas) * u128::from(weight * self.judged);
        4 * self.level >= quarters * excess * GOOD && 16 * squared(self.level) >= by_chance
    }

    /// When what it holds has lasted long enough, if that is enough.
    pub(super) fn ripe_after(&self, sustained: Nanos) -> Option<Nanos> {
        let lasted = self.lasts_since?.saturating_add(sustained);
        let no_stall = self.last_answer.saturating_add(2 * sustained);
        Some(if self.answered { lasted } else { lasted.max(no_stall) })
    }

    pub(super) fn has_lasted(&self, sustained: Nanos, now: Nanos) -> bool {
        let no_stall = self.silent_for(now).is_none_or(|silent| silent >= 2 * sustained);
        self.lasted(now).is_some_and(|lasted| lasted >= sustained) && no_stall
    }

    pub(crate) fn lasted(&self, now: Nanos) -> Option<Nanos> {
        self.lasts_since.map(|since| now - since.min(now))
    }

    pub(crate) fn silent_for(&self, now: Nanos) -> Option<Nanos> {
        (self.lasts_since.is_some() && !self.answered).then(|| now - self.last_answer)
    }

    pub(crate) fn above_zero_for(&self, now: Nanos) -> Nanos {
        if self.level == 0 { 0 } else { now - self.since.min(now) }
    }

    pub(super) fn reason(&self, weight: u64, excess: u64, sigmas: u64, now: Nanos) -> Cause {
        let by_chance = (weight as f64 / GOOD as f64 * self.judged as f64).sqrt() * sigmas as f64;
        Cause::Evidence {
            level: self.level as f64 / GOOD as f64,
            threshold: by_chance.max(excess as f64),
            bad: self.bad,
            calls: self.judged,
            over: self.above_zero_for(now),
        }
    }
}
