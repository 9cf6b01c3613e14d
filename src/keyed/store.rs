//! The breakers of a layer, by key.
//!
//! A look-up takes no lock. The lock of the queue is for adding and evicting: whichever thread
//! holds it changes both the set and the queue, so that they hold the same entries. Each new key
//! checks a few old ones, which bounds the cost of any one insertion. Observers run outside the
//! lock.

use std::{
    collections::VecDeque,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use papaya::HashSet;

use super::{entry::Entry, name};
use crate::{
    breaker::{Breaker, BreakerFactory},
    config::Config,
    lock::lock,
    machine::{ConfigError, Settings, Timestamp},
    registry::Registry,
};

/// The breakers of a layer, by key.
pub(super) struct Store<K> {
    pub(super) config: Config,
    pub(super) max_keys: usize,
    pub(super) idle_after: Duration,
    pub(super) overflow: Breaker,
    /// The settings of `config`, shared by all breakers that the registry doesn't configure
    /// otherwise.
    settings: Arc<Settings>,
    factory: BreakerFactory,
    seed: u64,
    registry: Option<Registry>,
    entries: HashSet<Entry<K>>,
    /// The same entries, the one first whose last check is longest ago.
    queue: Mutex<VecDeque<Entry<K>>>,
}

/// What a store is made of.
pub(super) struct StoreConfig {
    pub(super) factory: BreakerFactory,
    pub(super) config: Config,
    pub(super) seed: u64,
    pub(super) registry: Option<Registry>,
    pub(super) max_keys: usize,
    pub(super) idle_after: Duration,
}

/// How many old entries each insertion checks for idleness, which bounds the cost of any one
/// insertion.
const CHECKED_PER_INSERTION: usize = 8;
/// How many entries are checked under one lock when all of them are: others wait to add theirs.
const CHECKED_AT_ONCE: usize = 16 * CHECKED_PER_INSERTION;
/// How many keys have a breaker with shards. Of more keys, few have calls on many threads at once.
const KEYS_WITH_SHARDS: usize = 256;

impl<K> Store<K>
where
    K: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
{
    pub(super) fn new(
        StoreConfig {
            factory,
            config,
            seed,
            registry,
            max_keys,
            idle_after,
        }: StoreConfig,
    ) -> Result<Self, ConfigError> {
        let named = config.named(name::of_overflow(config.name()));
        let make = |config| factory.breaker(config, seed);
        let overflow = match &registry {
            Some(registry) => registry.add_family(&config, named, make)?,
            None => make(named)?,
        };
        Ok(Self {
            settings: Arc::new(config.settings.clone()),
            config,
            max_keys,
            idle_after,
            overflow,
            factory,
            seed,
            registry,
            entries: HashSet::new(),
            queue: Mutex::default(),
        })
    }

    /// Runs `act` with the breaker of this key, which is made if there is none yet, or with the
    /// overflow breaker if there are too many keys.
    pub(super) fn with<R>(&self, key: K, act: impl FnOnce(&Breaker) -> R) -> R {
        let entries = self.entries.pin();
        match entries.get(&key).filter(|entry| entry.mark_used()) {
            Some(entry) => act(entry.breaker()),
            None => act(self.add(key).as_ref().map_or(&self.overflow, Entry::breaker)),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<Breaker> {
        self.entries.pin().get(key).map(|entry| entry.breaker().clone())
    }

    /// Returns all keys with their breakers, in the order of their last checks.
    pub(super) fn all(&self) -> Vec<(K, Breaker)> {
        let pair = |entry: &Entry<K>| (entry.key().clone(), entry.breaker().clone());
        self.lock().iter().map(pair).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Evicts all idle keys, and returns how many those were.
    pub(super) fn evict_idle(&self) -> usize {
        let mut left = self.len();
        let mut evicted = 0;
        while left > 0 {
            let batch = left.min(CHECKED_AT_ONCE);
            left -= batch;
            let idle = self.take_idle(batch, &mut self.lock());
            evicted += idle.len();
            self.announce_evicted(&idle);
        }
        evicted
    }

    /// Adds a key that has no breaker. Returns `None` if there are too many keys.
    fn add(&self, key: K) -> Option<Entry<K>> {
        let mut queue = self.lock();
        let entries = self.entries.pin();
        // Another thread may have added it in the meantime.
        if let Some(entry) = entries.get(&key).filter(|entry| entry.mark_used()) {
            return Some(entry.clone());
        }
        let evicted = self.take_idle(CHECKED_PER_INSERTION, &mut queue);
        let added = (queue.len() < self.max_keys).then(|| {
            let breaker = self.make(&key, queue.len() < KEYS_WITH_SHARDS);
            let entry = Entry::new(key, breaker);
            entries.insert(entry.clone());
            queue.push_back(entry.clone());
            entry
        });
        drop(queue);
        self.announce_evicted(&evicted);
        added
    }

    /// Makes the breaker of a key.
    fn make(&self, key: &K, with_shards: bool) -> Breaker {
        let name = name::of_key(self.config.name(), key);
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let seed = self.seed ^ hasher.finish();
        let make = |config: Config| {
            if with_shards {
                return self.factory.breaker(config, seed);
            }
            let settings = if config.settings == *self.settings {
                self.settings.clone()
            } else {
                Arc::new(config.settings)
            };
            self.factory.small_breaker(config.name, settings, seed)
        };
        let config = self.config.named(name);
        let made = match &self.registry {
            Some(registry) => registry.add_member(self.config.name(), config, make),
            None => make(config),
        };
        made.expect("the configuration was checked when the layer was built, and names are of the right length")
    }

    /// Checks the entries whose last checks are longest ago, and removes and returns those that are
    /// idle.
    fn take_idle(&self, count: usize, queue: &mut VecDeque<Entry<K>>) -> Vec<Entry<K>> {
        let now = Timestamp::from(self.factory.clock.now());
        let mut evicted = Vec::new();
        for _ in 0..count.min(queue.len()) {
            let entry = queue.pop_front().expect("there are that many");
            if entry.retire_if_idle(self.idle_after, now) {
                self.entries.pin().remove(entry.key());
                evicted.push(entry);
            } else {
                queue.push_back(entry);
            }
        }
        evicted
    }

    /// Removes evicted breakers from the registry, and notifies observers. Not under the lock,
    /// since observers may do anything.
    fn announce_evicted(&self, evicted: &[Entry<K>]) {
        for entry in evicted {
            if let Some(registry) = &self.registry {
                registry.remove(entry.breaker().name());
            }
            entry.breaker().evict();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry<K>>> {
        lock(&self.queue)
    }
}
