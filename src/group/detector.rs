//! The outlier detector: when to compare the breakers of a group, and with which counts.
//!
//! Like Envoy's ejection sweep, but started by the thread that ends a step of a breaker, with no
//! timer. One thread sweeps at a time; others go on. [`Outliers`] decides which breakers are
//! outliers.

use std::sync::{Arc, Mutex, TryLockError};

use super::outliers::Outliers;
use crate::{
    clock::{Clock, TokioClock},
    machine::{ConfigError, Timestamp, TripReason},
};

/// A count of a breaker's calls, and of the failed ones among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallCounts {
    pub(crate) failed: u64,
    /// Calls that succeeded or failed.
    pub(crate) calls: u64,
}

impl CallCounts {
    fn since(self, earlier: Self) -> Self {
        Self {
            failed: self.failed - earlier.failed,
            calls: self.calls - earlier.calls,
        }
    }
}

/// A breaker that is compared with the others of its group.
pub(crate) trait Candidate: Send + Sync {
    /// Returns the counts since the breaker was made.
    fn call_counts(&self) -> CallCounts;

    /// Trips the breaker, whose calls fail clearly more often than the others'.
    fn trip_as_outlier(&self, reason: TripReason);
}

/// A detector that compares the breakers of a group every so often.
#[derive(Debug)]
pub(super) struct OutlierDetector {
    outliers: Outliers,
    clock: Box<dyn Clock>,
    last: Mutex<Sweep>,
}

/// A comparison of all breakers: when it was, and their counts by then.
#[derive(Debug, Default)]
struct Sweep {
    at: Timestamp,
    /// By the breaker's address, which identifies it as long as it exists.
    counts: Vec<(usize, CallCounts)>,
}

impl OutlierDetector {
    /// Returns a detector whose first sweep is due after one interval.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range.
    pub(super) fn new(outliers: Outliers, clock: Option<Box<dyn Clock>>) -> Result<Self, ConfigError> {
        let clock = clock.unwrap_or_else(|| Box::new(TokioClock::new()));
        let first = Sweep {
            at: clock.now().into(),
            counts: Vec::new(),
        };
        Ok(Self {
            outliers: outliers.check()?,
            clock,
            last: Mutex::new(first),
        })
    }

    /// Compares the candidates and trips outliers, if the interval since the last sweep is over.
    ///
    /// The caller must not hold a breaker's lock. Returns at once if another thread is sweeping.
    pub(super) fn sweep_if_due(&self, candidates: impl FnOnce() -> Vec<Arc<dyn Candidate>>) {
        let now = Timestamp::from(self.clock.now());
        let mut last = match self.last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(last)) => last.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if now.since(last.at) < self.outliers.interval() {
            return;
        }
        let candidates = candidates();
        let id = |candidate: &Arc<dyn Candidate>| Arc::as_ptr(candidate).cast::<()>() as usize;
        let counts: Vec<(usize, CallCounts)> = candidates
            .iter()
            .map(|candidate| (id(candidate), candidate.call_counts()))
            .collect();
        let recent: Vec<CallCounts> = counts
            .iter()
            .map(|(id, counts)| {
                let earlier = last.counts.iter().find(|(other, _)| other == id);
                counts.since(earlier.map_or_else(CallCounts::default, |(_, counts)| *counts))
            })
            .collect();
        *last = Sweep { at: now, counts };
        // A trip runs observers, which may do anything: the lock must be free.
        drop(last);
        for (index, reason) in self.outliers.find(&recent) {
            candidates[index].trip_as_outlier(reason);
        }
    }
}
