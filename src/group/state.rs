//! What the breakers of a group share.
//!
//! [`Group`](super::Group) reads and sets it; each [`Member`](super::member::Member) counts itself
//! in and out.
//!
//! **Memory ordering**: relaxed. Each value stands for itself, and no other data is read because of
//! one. The bound on open breakers holds because a member raises `open` by one atomic update that
//! also checks the bound; a concurrent change of `breakers` or of the percentage counts for the
//! next trip.

use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicUsize, Ordering},
};

use super::detector::{Candidate, OutlierDetector};
use crate::lock::lock;

/// A group's shared state: its settings, and counts of its breakers.
pub(super) struct GroupState {
    pub(super) max_open_percent: AtomicUsize,
    pub(super) panic_below_percent: usize,
    /// The number of breakers in the group.
    pub(super) breakers: AtomicUsize,
    /// The number of breakers that are open or half-open.
    pub(super) open: AtomicUsize,
    pub(super) detector: Option<OutlierDetector>,
    /// The breakers that the detector compares. Empty if there is no detector.
    pub(super) candidates: Mutex<Vec<Weak<dyn Candidate>>>,
}

impl GroupState {
    /// Returns whether so few breakers are closed that open ones admit calls.
    pub(super) fn is_panicking(&self) -> bool {
        let breakers = self.breakers.load(Ordering::Relaxed);
        let closed = breakers.saturating_sub(self.open.load(Ordering::Relaxed));
        closed * 100 < self.panic_below_percent * breakers
    }

    /// Returns how many breakers may be open by their own decision. At least one.
    pub(super) fn max_open(&self) -> usize {
        let percent = self.max_open_percent.load(Ordering::Relaxed);
        (self.breakers.load(Ordering::Relaxed) * percent / 100).max(1)
    }

    /// Returns the breakers to compare that still exist.
    pub(super) fn candidates(&self) -> Vec<Arc<dyn Candidate>> {
        let mut candidates = lock(&self.candidates);
        candidates.retain(|candidate| candidate.strong_count() > 0);
        candidates.iter().filter_map(Weak::upgrade).collect()
    }
}
