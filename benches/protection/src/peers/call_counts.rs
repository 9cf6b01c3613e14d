//! Counts of calls, in total and in a window of time.

use std::{
    ops::{AddAssign, SubAssign},
    time::Duration,
};

use tower_breaker::clock::Timestamp;

/// Counts of calls by how they went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CallCounts {
    pub(super) successes: u32,
    pub(super) failures: u32,
    /// Slow calls among the successes and the failures.
    pub(super) slow: u32,
    /// Calls that were refused.
    pub(super) refused: u32,
}

impl CallCounts {
    pub(super) const SUCCESS: Self = Self::new(1, 0, 0);
    pub(super) const FAILURE: Self = Self::new(0, 1, 0);
    pub(super) const REFUSAL: Self = Self::new(0, 0, 1);

    const fn new(successes: u32, failures: u32, refused: u32) -> Self {
        Self {
            successes,
            failures,
            slow: 0,
            refused,
        }
    }

    /// Returns the number of calls that have ended.
    pub(super) const fn calls(self) -> u32 {
        self.successes + self.failures
    }
}

impl AddAssign for CallCounts {
    fn add_assign(&mut self, other: Self) {
        self.successes += other.successes;
        self.failures += other.failures;
        self.slow += other.slow;
        self.refused += other.refused;
    }
}

impl SubAssign for CallCounts {
    fn sub_assign(&mut self, other: Self) {
        self.successes -= other.successes;
        self.failures -= other.failures;
        self.slow -= other.slow;
        self.refused -= other.refused;
    }
}

/// Counts in a window of time with buckets. Buckets begin at whole multiples of their width.
#[derive(Debug)]
pub(super) struct Buckets {
    width: u64,
    ring: Box<[CallCounts]>,
    /// The number of the newest bucket, from the start of the clock.
    newest: u64,
    sum: CallCounts,
}

impl Buckets {
    pub(super) fn new(width: Duration, count: usize) -> Self {
        Self {
            width: Timestamp::from(width).as_nanos(),
            ring: vec![CallCounts::default(); count].into_boxed_slice(),
            newest: 0,
            sum: CallCounts::default(),
        }
    }

    pub(super) fn add(&mut self, call_counts: CallCounts, now: Timestamp) {
        self.roll(now);
        let newest = self.index(self.newest);
        self.ring[newest] += call_counts;
        self.sum += call_counts;
    }

    pub(super) fn sum(&mut self, now: Timestamp) -> CallCounts {
        self.roll(now);
        self.sum
    }

    pub(super) fn oldest_first(&self) -> impl Iterator<Item = &CallCounts> {
        let (newer, older) = self.ring.split_at(self.index(self.newest) + 1);
        older.iter().chain(newer)
    }

    fn roll(&mut self, now: Timestamp) {
        let bucket = now.as_nanos() / self.width;
        let gone = (bucket.saturating_sub(self.newest)).min(self.ring.len() as u64);
        for step in 1..=gone {
            let index = self.index(bucket - gone + step);
            self.sum -= self.ring[index];
            self.ring[index] = CallCounts::default();
        }
        self.newest = self.newest.max(bucket);
    }

    fn index(&self, bucket: u64) -> usize {
        (bucket % self.ring.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::START + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_bucket_leaves_the_window_whole() {
        let mut buckets = Buckets::new(Duration::from_secs(1), 3);
        buckets.add(CallCounts::FAILURE, at(0.9));
        buckets.add(CallCounts::SUCCESS, at(1.1));
        assert_eq!(buckets.sum(at(2.999)).failures, 1);
        assert_eq!(buckets.sum(at(3.0)), CallCounts::SUCCESS);
        assert_eq!(buckets.sum(at(4.0)), CallCounts::default());
    }

    #[test]
    fn a_long_gap_leaves_nothing() {
        let mut buckets = Buckets::new(Duration::from_secs(1), 3);
        buckets.add(CallCounts::FAILURE, at(2.5));
        assert_eq!(buckets.sum(at(1000.0)), CallCounts::default());
        buckets.add(CallCounts::SUCCESS, at(1000.0));
        assert_eq!(buckets.oldest_first().last(), Some(&CallCounts::SUCCESS));
    }

    #[test]
    fn buckets_come_in_the_order_of_their_time() {
        let mut buckets = Buckets::new(Duration::from_secs(1), 3);
        for (second, count) in [(4, 1), (5, 2), (6, 3)] {
            for _ in 0..count {
                buckets.add(CallCounts::SUCCESS, at(f64::from(second)));
            }
        }
        let order: Vec<_> = buckets
            .oldest_first()
            .map(|call_counts| call_counts.successes)
            .collect();
        assert_eq!(order, [1, 2, 3]);
    }
}
