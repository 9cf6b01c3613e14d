use crate::sync::{AtomicU64, Ordering};

/// A count that only grows. The one thread that has a lane to itself adds to it by a plain store, all others by a locked operation.
#[derive(Debug, Default)]
pub(super) struct Count {
    own: AtomicU64,
    others: AtomicU64,
}

impl Count {
    #[inline(always)]
    pub(super) fn add(&self, more: u64, is_own: bool) {
        if is_own {
            // Nobody else writes it.
            self.own
                .store(self.own.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        } else {
            self.others.fetch_add(more, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    pub(super) fn get(&self) -> u64 {
        self.own.load(Ordering::Relaxed) + self.others.load(Ordering::Relaxed)
    }
}
