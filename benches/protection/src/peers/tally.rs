use std::{
    ops::{AddAssign, SubAssign},
    time::Duration,
};

use tower_breaker::clock::Timestamp;

/// How calls went, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) successes: u32,
    pub(super) failures: u32,
    /// Of both.
    pub(super) slow: u32,
    /// Calls that weren't let through.
    pub(super) refused: u32,
}

impl Tally {
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

    /// Calls that have ended.
    pub(super) const fn calls(self) -> u32 {
        self.successes + self.failures
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.successes += other.successes;
        self.failures += other.failures;
        self.slow += other.slow;
        self.refused += other.refused;
    }
}

impl SubAssign for Tally {
    fn sub_assign(&mut self, other: Self) {
        self.successes -= other.successes;
        self.failures -= other.failures;
        self.slow -= other.slow;
        self.refused -= other.refused;
    }
}

/// Tallies of a window of time in buckets, which begin at whole multiples of their width.
#[derive(Debug)]
pub(super) struct Buckets {
    width: u64,
    ring: Box<[Tally]>,
    /// Counted from the start of the clock.
    newest: u64,
    sum: Tally,
}

impl Buckets {
    pub(super) fn new(width: Duration, count: usize) -> Self {
        Self {
            width: Timestamp::from(width).as_nanos(),
            ring: vec![Tally::default(); count].into_boxed_slice(),
            newest: 0,
            sum: Tally::default(),
        }
    }

    pub(super) fn add(&mut self, tally: Tally, now: Timestamp) {
        self.roll(now);
        let newest = self.index(self.newest);
        self.ring[newest] += tally;
        self.sum += tally;
    }

    pub(super) fn sum(&mut self, now: Timestamp) -> Tally {
        self.roll(now);
        self.sum
    }

    pub(super) fn oldest_first(&self) -> impl Iterator<Item = &Tally> {
        let (newer, older) = self.ring.split_at(self.index(self.newest) + 1);
        older.iter().chain(newer)
    }

    fn roll(&mut self, now: Timestamp) {
        let bucket = now.as_nanos() / self.width;
        let gone = (bucket.saturating_sub(self.newest)).min(self.ring.len() as u64);
        for step in 1..=gone {
            let index = self.index(bucket - gone + step);
            self.sum -= self.ring[index];
            self.ring[index] = Tally::default();
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
        buckets.add(Tally::FAILURE, at(0.9));
        buckets.add(Tally::SUCCESS, at(1.1));
        assert_eq!(buckets.sum(at(2.999)).failures, 1);
        assert_eq!(buckets.sum(at(3.0)), Tally::SUCCESS);
        assert_eq!(buckets.sum(at(4.0)), Tally::default());
    }

    #[test]
    fn a_long_gap_leaves_nothing() {
        let mut buckets = Buckets::new(Duration::from_secs(1), 3);
        buckets.add(Tally::FAILURE, at(2.5));
        assert_eq!(buckets.sum(at(1000.0)), Tally::default());
        buckets.add(Tally::SUCCESS, at(1000.0));
        assert_eq!(buckets.oldest_first().last(), Some(&Tally::SUCCESS));
    }

    #[test]
    fn buckets_come_in_the_order_of_their_time() {
        let mut buckets = Buckets::new(Duration::from_secs(1), 3);
        for (second, count) in [(4, 1), (5, 2), (6, 3)] {
            for _ in 0..count {
                buckets.add(Tally::SUCCESS, at(f64::from(second)));
            }
        }
        let order: Vec<_> = buckets.oldest_first().map(|tally| tally.successes).collect();
        assert_eq!(order, [1, 2, 3]);
    }
}
