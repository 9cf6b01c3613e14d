use crate::sync::{AtomicU64, Ordering};

/// A count that only grows, or begins again at 0 where it no longer fits; whoever sees it sees what came before. The one thread that has a lane to itself
/// adds to it by a plain store, all others by a locked operation.
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
            let own = self.own.load(Ordering::Relaxed).wrapping_add(more);
            self.own.store(own, Ordering::Release);
        } else {
            self.others.fetch_add(more, Ordering::Release);
        }
    }

    #[inline(always)]
    pub(super) fn get(&self) -> u64 {
        let others = self.others.load(Ordering::Acquire);
        self.own.load(Ordering::Acquire).wrapping_add(others)
    }
}

#[cfg(all(test, not(breaker_loom)))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn nothing_is_lost_where_all_add_at_once() {
        let count = Count::default();
        thread::scope(|scope| {
            for thread in 0..4 {
                let count = &count;
                scope.spawn(move || (0..100_000).for_each(|_| count.add(1, thread == 0)));
            }
        });
        assert_eq!(count.get(), 400_000);
    }
}
