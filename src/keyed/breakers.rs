//! [`Breakers`]: what a user sees of the store.

use std::{fmt, hash::Hash, sync::Arc};

use super::store::Store;
use crate::breaker::Breaker;

/// A handle to the breakers of a [`KeyedCircuitBreakerLayer`](super::KeyedCircuitBreakerLayer), by
/// key. It is cheap to clone.
pub struct Breakers<K> {
    pub(super) store: Arc<Store<K>>,
}

impl<K> Breakers<K>
where
    K: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
{
    /// Returns the breaker of this key, if it has one. Asking creates none, and doesn't count as
    /// use.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<Breaker> {
        self.store.get(key)
    }

    /// Returns all keys that have a breaker of their own, in no particular order.
    #[must_use]
    pub fn all(&self) -> Vec<(K, Breaker)> {
        self.store.all()
    }

    /// Returns how many keys have a breaker of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Returns whether no key has a breaker of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the breaker that all keys beyond [`max_keys`] share. Its name is the layer's and
    /// " (overflow)".
    ///
    /// [`max_keys`]: crate::layer::CircuitBreakerLayerBuilder::max_keys
    #[must_use]
    pub fn overflow(&self) -> &Breaker {
        &self.store.overflow
    }

    /// Evicts the keys that have been idle for long enough, and returns how many those were.
    ///
    /// Each new key makes the layer check a few others; this is for times without new keys.
    /// Eviction takes two checks: the first finds a key idle, and one at least
    /// [`idle_after`](crate::layer::CircuitBreakerLayerBuilder::idle_after) later evicts it.
    pub fn evict_idle(&self) -> usize {
        self.store.evict_idle()
    }
}

impl<K> Clone for Breakers<K> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
        }
    }
}

impl<K> fmt::Debug for Breakers<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breakers")
            .field("name", &self.store.config.name())
            .field("max_keys", &self.store.max_keys)
            .field("idle_after", &self.store.idle_after)
            .finish_non_exhaustive()
    }
}
