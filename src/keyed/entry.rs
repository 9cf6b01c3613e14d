//! [`Entry`]: a key with its breaker, and whether it is in use.
//!
//! # Memory ordering
//!
//! `usage` moves from USED to IDLE to RETIRED, and back from IDLE to USED. A call that finds it
//! USED writes nothing, so its load is relaxed: the call may go on with an entry that has become
//! IDLE. That is why an entry is retired only `idle_after` later. All changes are compare-and-swaps
//! of one word, so that a call that sets it back to USED and a check that retires it can't both
//! succeed. `idle_since` is read and written under the store's lock only.

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

/// A key and its breaker. The set of entries finds it by the key.
#[derive(Clone)]
pub(super) struct Entry<K>(Arc<Inner<K>>);

struct Inner<K> {
    key: K,
    breaker: Breaker,
    usage: AtomicU8,
    /// Since when the key is idle, in nanoseconds. Only meaningful while `usage` is IDLE.
    idle_since: AtomicU64,
}

/// The key has been used since the last check. Calls write nothing in this state.
const USED: u8 = 0;
/// The key has not been used since the last check.
const IDLE: u8 = 1;
/// The entry is evicted, or about to be.
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

    /// Marks the key as used. Returns `false` if the entry is evicted.
    pub(super) fn mark_used(&self) -> bool {
        match self.0.usage.load(Ordering::Relaxed) {
            USED => true,
            IDLE => self.change(IDLE, USED),
            _ => false,
        }
    }

    /// Retires the entry if it has not been used for `idle_after`, and if nothing is lost with its
    /// breaker. Returns whether it is retired.
    ///
    /// That takes two checks. A call that found the entry USED may start after the first one, but
    /// not `idle_after` later. A call that finds it IDLE marks it as used before anything else, or
    /// learns that it is retired.
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
