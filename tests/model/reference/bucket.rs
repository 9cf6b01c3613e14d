use super::{Nanos, Why};
use crate::plan::GOOD;

/// A call that came to a verdict.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    pub(super) failed: bool,
    pub(super) slow: bool,
    /// Since when it was bad, if it was.
    pub(super) since: Nanos,
    /// When that became known.
    pub(super) known: Nanos,
    /// What it weighed, if it was bad.
    pub(super) weight: u64,
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
            } else if bucket.level > GOOD {
                bucket.level -= GOOD;
                bucket.judged += 1;
            } else {
                bucket = Self::default();
            }
        }
        bucket
    }

    /// Whether it holds max(`excess`, `sigmas`·√(a·n)).
    pub(super) fn is_full(&self, weight: u64, excess: u64, sigmas: u64) -> bool {
        let squared = |level: u64| u128::from(level) * u128::from(level);
        let by_chance = u128::from(GOOD) * squared(sigmas) * u128::from(weight * self.judged);
        self.level >= excess * GOOD && squared(self.level) >= by_chance
    }

    pub(crate) fn above_zero_for(&self, now: Nanos) -> Nanos {
        if self.level == 0 { 0 } else { now - self.since.min(now) }
    }

    pub(super) fn reason(&self, weight: u64, excess: u64, sigmas: u64, now: Nanos) -> Why {
        let by_chance = (weight as f64 / GOOD as f64 * self.judged as f64).sqrt() * sigmas as f64;
        Why::Evidence {
            level: self.level as f64 / GOOD as f64,
            threshold: by_chance.max(excess as f64),
            bad: self.bad,
            calls: self.judged,
            over: self.above_zero_for(now),
        }
    }
}
