use std::{fmt, hash::Hash, sync::Arc};

use super::store::Store;
use crate::breaker::Breaker;

/// The breakers of a [`KeyedCircuitBreakerLayer`](super::KeyedCircuitBreakerLayer), by key. A cheap clone of the handle that the layer holds.
pub struct Breakers<K> {
    pub(super) store: Arc<Store<K>>,
}

impl<K> Breakers<K>
where
    K: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
{
    /// The breaker of this key, if it has one: to ask creates none, and doesn't count as use.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<Breaker> {
        self.store.get(key)
    }

    /// All keys that have a breaker, in no particular order.
    #[must_use]
    pub fn all(&self) -> Vec<(K, Breaker)> {
        self.store.all()
    }

    /// How many keys have one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The breaker that all keys share that are too many. Its name is the layer's and " (overflow)".
    #[must_use]
    pub fn overflow(&self) -> &Breaker {
        &self.store.overflow
    }

    /// Looks for keys that have been idle for long enough, and evicts them; how many that were. A few are looked at whenever a new key comes;
    /// this is for when none do. A key is found to be idle at the first look, and is evicted at one that is
    /// [`idle_after`](crate::layer::CircuitBreakerLayerBuilder::idle_after) later.
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
