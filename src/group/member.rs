use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Candidate, Shared};
use crate::{lock::lock, machine::OpenSlot};

/// A breaker's place in its group, for as long as the breaker lives.
pub(crate) struct Member {
    group: Arc<Shared>,
    /// Whether it is open or half-open. Whoever has the breaker's lock writes it.
    is_open: AtomicBool,
    has_left: AtomicBool,
}

impl Member {
    pub(super) fn of(group: Arc<Shared>) -> Self {
        group.breakers.fetch_add(1, Ordering::Relaxed);
        Self {
            group,
            is_open: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
        }
    }

    /// Has this breaker compared with the others, if the group looks for outliers.
    pub(crate) fn is_judged_as(&self, judged: Weak<dyn Candidate>) {
        if self.group.court.is_some() {
            let mut members = lock(&self.group.members);
            members.push(judged);
        }
    }

    /// The breaker counts no more.
    pub(crate) fn leave(&self) {
        if !self.has_left.swap(true, Ordering::Relaxed) {
            self.count(false);
            self.group.breakers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether a breaker that is open lets calls through all the same.
    pub(crate) fn is_panicking(&self) -> bool {
        self.group.is_panicking()
    }

    /// Whether it ever may.
    pub(crate) fn may_panic(&self) -> bool {
        self.group.panic_below_percent > 0
    }

    fn count(&self, out: bool) {
        match (self.is_open.swap(out, Ordering::Relaxed), out) {
            (false, true) => self.group.open.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.group.open.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
    }

    /// Looks for outliers, if it is time.
    pub(crate) fn look_for_outliers(&self) {
        if let Some(court) = &self.group.court {
            court.sit_if_due(|| self.group.members());
        }
    }
}

impl OpenSlot for Member {
    fn try_acquire(&self) -> bool {
        // One that has left is nobody's business, though somebody may still have a handle of it.
        if self.is_open.load(Ordering::Relaxed) || self.has_left.load(Ordering::Relaxed) {
            return true;
        }
        let most = self.group.most_open();
        let taken = self
            .group
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < most).then_some(open + 1)
            })
            .is_ok();
        self.is_open.store(taken, Ordering::Relaxed);
        taken
    }

    fn set_open(&self, out: bool) {
        if !self.has_left.load(Ordering::Relaxed) {
            self.count(out);
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
            .field("is_out", &self.is_open)
            .finish_non_exhaustive()
    }
}
