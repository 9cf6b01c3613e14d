//! A breaker's membership in its group.
//!
//! The breaker owns its member. Its machine asks the member for a slot before it trips, and reports
//! each change of state; the breaker calls the member after each step, so that outliers are found.
//!
//! **Memory ordering**: relaxed. `is_open` is written under the breaker's lock, and `has_left`
//! changes once, by a swap, so that the breaker is counted out once. The counts of the group
//! stand for themselves: see [`GroupState`].

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{detector::Candidate, state::GroupState};
use crate::{lock::lock, machine::OpenSlot};

/// A breaker's membership in its group, which lasts as long as the breaker.
pub(crate) struct Member {
    group: Arc<GroupState>,
    /// Whether the breaker is counted as open or half-open. Written under the breaker's lock.
    is_open: AtomicBool,
    has_left: AtomicBool,
}

impl Member {
    /// Joins the group: counts one more breaker.
    pub(super) fn of(group: Arc<GroupState>) -> Self {
        group.breakers.fetch_add(1, Ordering::Relaxed);
        Self {
            group,
            is_open: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
        }
    }

    /// Has the group compare this breaker with the others, if it detects outliers.
    pub(crate) fn compare(&self, candidate: Weak<dyn Candidate>) {
        if self.group.detector.is_some() {
            let mut candidates = lock(&self.group.candidates);
            candidates.push(candidate);
        }
    }

    /// Leaves the group: from now on the breaker isn't counted, and needs no slot to open.
    pub(crate) fn leave(&self) {
        if !self.has_left.swap(true, Ordering::Relaxed) {
            self.count_as_open(false);
            self.group.breakers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Returns whether an open breaker admits calls, because too few breakers are closed.
    pub(crate) fn is_panicking(&self) -> bool {
        self.group.is_panicking()
    }

    /// Returns whether [`is_panicking`](Self::is_panicking) can ever be true.
    pub(crate) fn may_panic(&self) -> bool {
        self.group.panic_below_percent > 0
    }

    /// Compares the group's breakers and trips outliers, if a sweep is due.
    ///
    /// The caller must not hold a breaker's lock.
    pub(crate) fn sweep_if_due(&self) {
        if let Some(detector) = &self.group.detector {
            detector.sweep_if_due(|| self.group.candidates());
        }
    }

    fn count_as_open(&self, is_open: bool) {
        match (self.is_open.swap(is_open, Ordering::Relaxed), is_open) {
            (false, true) => self.group.open.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.group.open.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
    }
}

impl OpenSlot for Member {
    fn try_acquire(&self) -> bool {
        // A breaker that has left may still have handles. The group doesn't bound it any more.
        if self.is_open.load(Ordering::Relaxed) || self.has_left.load(Ordering::Relaxed) {
            return true;
        }
        let max_open = self.group.max_open();
        let acquired = self
            .group
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < max_open).then_some(open + 1)
            })
            .is_ok();
        self.is_open.store(acquired, Ordering::Relaxed);
        acquired
    }

    fn set_open(&self, is_open: bool) {
        if !self.has_left.load(Ordering::Relaxed) {
            self.count_as_open(is_open);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("is_open", &self.is_open)
            .finish_non_exhaustive()
    }
}
