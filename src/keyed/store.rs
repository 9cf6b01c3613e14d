use std::{
    collections::VecDeque,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use papaya::HashSet;

use super::{entry::Entry, name};
use crate::{
    breaker::{Breaker, BreakerFactory},
    config::Config,
    machine::{ConfigError, Settings, Timestamp},
    registry::Registry,
};

/// The breakers of a layer, by key. To find one, no lock is taken.
pub(super) struct Store<K> {
    pub(super) config: Config,
    pub(super) max_keys: usize,
    pub(super) idle_after: Duration,
    pub(super) overflow: Breaker,
    /// Those of the configuration, for all that have no others.
    settings: Arc<Settings>,
    plan: BreakerFactory,
    seed: u64,
    registry: Option<Registry>,
    found: HashSet<Entry<K>>,
    /// All of them again; the ones that haven't been looked at for longest come first. Who has this lock adds and removes.
    queue: Mutex<VecDeque<Entry<K>>>,
}

/// What a store is made from.
pub(super) struct Plan {
    pub(super) breakers: BreakerFactory,
    pub(super) config: Config,
    pub(super) seed: u64,
    pub(super) registry: Option<Registry>,
    pub(super) max_keys: usize,
    pub(super) idle_after: Duration,
}

/// With each new key so many old ones are looked at, so that none has to look at all.
const LOOKED_AT: usize = 8;
/// Where there are more keys than this, few of them have calls on many threads at once.
const KEYS_WITH_LANES: usize = 256;

impl<K> Store<K>
where
    K: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
{
    pub(super) fn new(plan: Plan) -> Result<Self, ConfigError> {
        let Plan {
            breakers,
            config,
            seed,
            registry,
            max_keys,
            idle_after,
        } = plan;
        let named = config.named(name::of_overflow(config.name()));
        let make = |config| breakers.breaker(config, seed);
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
            plan: breakers,
            seed,
            registry,
            found: HashSet::new(),
            queue: Mutex::default(),
        })
    }

    /// Does something with the breaker of this key, which is made if there is none yet; or with the one for keys that are too many.
    pub(super) fn with<R>(&self, key: K, act: impl FnOnce(&Breaker) -> R) -> R {
        let found = self.found.pin();
        match found.get(&key).filter(|entry| entry.is_used_now()) {
            Some(entry) => act(entry.breaker()),
            None => act(self.add(key).as_ref().map_or(&self.overflow, Entry::breaker)),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<Breaker> {
        self.found.pin().get(key).map(|entry| entry.breaker().clone())
    }

    /// In the order in which they were last looked at.
    pub(super) fn all(&self) -> Vec<(K, Breaker)> {
        let pair = |entry: &Entry<K>| (entry.key().clone(), entry.breaker().clone());
        self.lock().iter().map(pair).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Evicts what is idle, and says how many keys that was.
    pub(super) fn evict_idle(&self) -> usize {
        let mut left = self.len();
        let mut evicted = 0;
        while left > 0 {
            // Not all at once: others wait to add theirs.
            let batch = left.min(LOOKED_AT * 16);
            left -= batch;
            let idle = self.look_at(batch, &mut self.lock());
            evicted += idle.len();
            self.tell_of(&idle);
        }
        evicted
    }

    /// The breaker of a key that has none; `None` where there are too many.
    fn add(&self, key: K) -> Option<Entry<K>> {
        let mut queue = self.lock();
        let found = self.found.pin();
        // Somebody may have been quicker.
        if let Some(entry) = found.get(&key).filter(|entry| entry.is_used_now()) {
            return Some(entry.clone());
        }
        let evicted = self.look_at(LOOKED_AT, &mut queue);
        let added = (queue.len() < self.max_keys).then(|| {
            let breaker = self.make(&key, queue.len() < KEYS_WITH_LANES);
            let entry = Entry::new(key, breaker);
            found.insert(entry.clone());
            queue.push_back(entry.clone());
            entry
        });
        drop(queue);
        self.tell_of(&evicted);
        added
    }

    fn make(&self, key: &K, with_lanes: bool) -> Breaker {
        let name = name::of_key(self.config.name(), key);
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let seed = self.seed ^ hasher.finish();
        let make = |config: Config| {
            if with_lanes {
                return self.plan.breaker(config, seed);
            }
            let settings = if config.settings == *self.settings {
                self.settings.clone()
            } else {
                Arc::new(config.settings)
            };
            self.plan.small_breaker(config.name, settings, seed)
        };
        let config = self.config.named(name);
        let made = match &self.registry {
            Some(registry) => registry.add_member(self.config.name(), config, make),
            None => make(config),
        };
        made.expect("the configuration was checked when the layer was built, and names are of the right length")
    }

    /// Looks at those that haven't been looked at for longest, and takes out what is idle.
    fn look_at(&self, count: usize, queue: &mut VecDeque<Entry<K>>) -> Vec<Entry<K>> {
        let now = Timestamp::from(self.plan.clock.now());
        let mut evicted = Vec::new();
        for _ in 0..count.min(queue.len()) {
            let entry = queue.pop_front().expect("there are that many");
            if entry.retire_if_idle(self.idle_after, now) {
                self.found.pin().remove(entry.key());
                evicted.push(entry);
            } else {
                queue.push_back(entry);
            }
        }
        evicted
    }

    /// Tells of those that are gone; not under the lock, for observers may do anything.
    fn tell_of(&self, evicted: &[Entry<K>]) {
        for entry in evicted {
            if let Some(registry) = &self.registry {
                registry.remove(entry.breaker().name());
            }
            entry.breaker().evict();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry<K>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
