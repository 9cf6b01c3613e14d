use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{breaker::Breaker, machine::Timestamp};

/// A key and its breaker; found by the key.
#[derive(Clone)]
pub(super) struct Entry<K>(Arc<Inner<K>>);

struct Inner<K> {
    key: K,
    breaker: Breaker,
    usage: AtomicU8,
    /// Since when it hasn't been used, in nanoseconds; where that is known.
    idle_since: AtomicU64,
}

/// It has been used since it was last looked at. Its calls write nothing as long as this holds.
const USED: u8 = 0;
const IDLE: u8 = 1;
/// It is gone, or about to be.
const RETIRED: u8 = 2;

impl<K> Entry<K> {
    pub(super) fn new(key: K, breaker: Breaker) -> Self {
        Self(Arc::new(Inner {
            key,
            breaker,
            usage: AtomicU8::new(USED),
            idle_since: AtomicU64::new(0),
        }))
    }

    pub(super) fn key(&self) -> &K {
        &self.0.key
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.0.breaker
    }

    /// Notes that it is used. `false` where it is gone.
    pub(super) fn is_used_now(&self) -> bool {
        match self.0.usage.load(Ordering::Relaxed) {
            USED => true,
            IDLE => self.change(IDLE, USED),
            _ => false,
        }
    }

    /// Retires it, if nobody has used it for so long, and nothing would be lost with it. Whether it is gone.
    ///
    /// It takes two looks. Whoever has found it in use may yet start a call after the first one, but not `idle_after` later; and whoever finds it
    /// idle says that it is used before anything else, or that it is gone.
    pub(super) fn retire_if_idle(&self, idle_after: Duration, now: Timestamp) -> bool {
        if self.change(USED, IDLE) {
            self.0.idle_since.store(now.as_nanos(), Ordering::Relaxed);
            return false;
        }
        let idle_since = Timestamp::from_nanos(self.0.idle_since.load(Ordering::Relaxed));
        now.since(idle_since) >= idle_after && self.0.breaker.is_dispensable() && self.change(IDLE, RETIRED)
    }

    fn change(&self, from: u8, to: u8) -> bool {
        let changed = self
            .0
            .usage
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        changed.is_ok() || changed == Err(to) && to == USED
    }
}

impl<K> Borrow<K> for Entry<K> {
    fn borrow(&self) -> &K {
        &self.0.key
    }
}

impl<K: Hash> Hash for Entry<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

impl<K: PartialEq> PartialEq for Entry<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl<K: Eq> Eq for Entry<K> {}

impl<K: fmt::Debug> fmt::Debug for Entry<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.0.key).finish()
    }
}
