//! The counts that trip policies are asked about, and the sums behind them.
//!
//! Nothing here names a policy: windows, buckets and the policies themselves all build on it.

use std::time::Duration;

use crate::machine::completion::Assessment;

/// A policy's view of the calls: those in its window, and the failure bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls judged: in the policy's window, or since the breaker closed where it has none.
    pub calls: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that took longer than `slow_after`, are still in flight past it, or were given up when
    /// they had taken longer than most. A slow failure counts in both.
    pub slow: u64,
    /// Those that were bad: failed, slow, or both.
    pub bad: u64,
    /// How many calls have been bad in a row, up to now.
    pub bad_in_a_row: u64,
    /// The failure bucket, for [`Evidence`](super::Evidence).
    pub bucket: Option<BucketView>,
}

impl Counts {
    /// Returns failed calls ÷ calls; `None` where there are none.
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        self.rate(self.failed)
    }

    /// Returns slow calls ÷ calls; `None` where there are none.
    #[must_use]
    pub fn slow_call_rate(&self) -> Option<f64> {
        self.rate(self.slow)
    }

    fn rate(&self, part: u64) -> Option<f64> {
        (self.calls > 0).then(|| part as f64 / self.calls as f64)
    }
}

/// A view of the failure bucket of [`Evidence`](super::Evidence).
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
    /// How long it has held at least three quarters of what it takes to trip; or less, where the
    /// first good answer after a silence has begun that time anew.
    pub lasted: Option<Duration>,
    /// How long ago the last answer was, where there was none in that time and calls merely hang.
    pub silent_for: Option<Duration>,
}

/// A number of calls, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
    pub(super) bad: u64,
}

impl Sums {
    /// Counts one of the slow calls that had not failed so far as failed, too. Returns whether
    /// there was one.
    pub(super) fn overdue_failed(&mut self) -> bool {
        let any = self.bad > self.failed;
        self.failed += u64::from(any);
        any
    }

    pub(super) fn add(&mut self, assessment: Assessment) {
        self.calls += 1;
        self.failed += u64::from(assessment.failed);
        self.slow += u64::from(assessment.slow);
        self.bad += u64::from(assessment.is_bad());
    }

    pub(super) fn add_all(&mut self, other: Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.slow += other.slow;
        self.bad += other.bad;
    }

    pub(super) fn remove(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failed -= other.failed;
        self.slow -= other.slow;
        self.bad -= other.bad;
    }
}

impl From<Sums> for Counts {
    fn from(sums: Sums) -> Self {
        Self {
            calls: sums.calls,
            failed: sums.failed,
            slow: sums.slow,
            bad: sums.bad,
            ..Self::default()
        }
    }
}
