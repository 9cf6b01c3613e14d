//! Breakers by name.

mod configs;
mod error;
#[cfg(feature = "serde")]
mod serde;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

pub use self::{
    configs::{Configs, PartialConfig},
    error::RegistryError,
};
use crate::{
    breaker::{Breaker, WeakBreaker},
    config::Config,
    lock::lock,
    machine::ConfigError,
    observe::{Event, Events, Observer, Subscribers},
};

/// All breakers that were built with it, by name: to find them, to list them, to be told of what any of them does, and to configure them from one
/// place. A cheap clone.
///
/// A breaker is in it from [`build`](crate::layer::CircuitBreakerLayerBuilder::build) on, for as long as a layer or a handle of it is left. Asking for one never creates it.
///
/// ```
/// use tower_breaker::{CircuitBreakerLayer, registry::Registry};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::new();
/// let layer = CircuitBreakerLayer::builder().name("payments").registry(&registry).build()?;
///
/// registry.get("payments")?.force_open("database failover", None);
/// let error = registry.get("paiments").unwrap_err();
/// assert_eq!(error.to_string(), "there is no breaker \"paiments\"");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    streams: Subscribers,
}

#[derive(Default)]
struct State {
    configs: Configs,
    breakers: BTreeMap<Arc<str>, Registered>,
    /// The configurations, as written in code, of layers with a breaker per key. Their overflow breakers are among the breakers.
    families: BTreeMap<Arc<str>, (WeakBreaker, Config)>,
}

struct Registered {
    breaker: WeakBreaker,
    /// As written in code.
    config: Config,
    family: Option<Arc<str>>,
}

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one, whose breakers will be configured by this: what it says of a breaker replaces what the code says.
    #[must_use]
    pub fn with(configs: Configs) -> Self {
        let registry = Self::new();
        registry.lock().configs = configs;
        registry
    }

    /// The breaker of this name.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unknown`] where there is none.
    pub fn get(&self, name: &str) -> Result<Breaker, RegistryError> {
        let state = self.lock();
        let breaker = state.breakers.get(name).and_then(|one| one.breaker.upgrade());
        breaker.ok_or_else(|| RegistryError::unknown(name))
    }

    /// All breakers, by name.
    #[must_use]
    pub fn breakers(&self) -> Vec<Breaker> {
        let mut state = self.lock();
        state.forget_dropped();
        state
            .breakers
            .values()
            .filter_map(|one| one.breaker.upgrade())
            .collect()
    }

    /// How many breakers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let mut state = self.lock();
        state.forget_dropped();
        state.breakers.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The events of all breakers from here on, those included that are built later: of the last [`Events::CAPACITY`] that haven't been read, none
    /// is lost.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        self.shared.streams.subscribe()
    }

    /// Has other configurations apply, from now on and to all breakers, or to none if it doesn't fit one of them. See
    /// [`Breaker::reconfigure`] for what that keeps.
    ///
    /// # Errors
    ///
    /// The first breaker that can't have what is written for it, or the first name that no breaker has.
    pub fn reconfigure(&self, configs: Configs) -> Result<(), RegistryError> {
        let mut state = self.lock();
        state.forget_dropped();
        if let Some(name) = configs.names().find(|name| !state.knows(name)) {
            return Err(RegistryError::unknown(name));
        }
        let mut changes = Vec::new();
        for one in state.breakers.values() {
            let config = configs.apply(one.config.clone(), one.family.as_deref());
            let Some(breaker) = one.breaker.upgrade() else { continue };
            breaker
                .check(&config)
                .map_err(|error| RegistryError::refused(config.name(), error))?;
            if breaker.config() != config {
                changes.push((breaker, config));
            }
        }
        for name in configs.names() {
            // One for a key that isn't there yet.
            if let Some((family, (breaker, config))) = state.family_of(name) {
                let config = configs.apply(config.named(name), Some(family));
                let checked = breaker.upgrade().map_or(Ok(()), |breaker| breaker.check(&config));
                checked.map_err(|error| RegistryError::refused(name, error))?;
            }
        }
        state.configs = configs;
        drop(state);
        // Outside the lock, since observers are told, and may ask the registry.
        for (breaker, config) in changes {
            let name = config.name().to_owned();
            breaker
                .reconfigure(config)
                .map_err(|error| RegistryError::refused(&name, error))?;
        }
        Ok(())
    }

    /// The names in the configurations that no breaker has: misspelt, or of breakers yet to be built.
    #[must_use]
    pub fn unused_names(&self) -> Vec<String> {
        let mut state = self.lock();
        state.forget_dropped();
        let unused = state.configs.names().filter(|name| !state.knows(name));
        unused.map(str::to_owned).collect()
    }

    pub(crate) fn observer(&self) -> Box<dyn Observer> {
        let shared = self.shared.clone();
        Box::new(move |event: &Event| shared.streams.send(event))
    }

    pub(crate) fn add(
        &self,
        config: Config,
        make: impl FnOnce(Config) -> Result<Breaker, ConfigError>,
    ) -> Result<Breaker, ConfigError> {
        let mut state = self.lock();
        state.check_is_free(config.name())?;
        state.add(config, None, make)
    }

    /// Adds a layer with a breaker per key, of which one is there from the beginning.
    #[cfg(feature = "keyed")]
    pub(crate) fn add_family(
        &self,
        family: &Config,
        first: Config,
        make: impl FnOnce(Config) -> Result<Breaker, ConfigError>,
    ) -> Result<Breaker, ConfigError> {
        let mut state = self.lock();
        state.check_is_free(family.name())?;
        state.check_is_free(first.name())?;
        let breaker = state.add(first, Some(family.name.clone()), make)?;
        let entry = (breaker.downgrade(), family.clone());
        state.families.insert(family.name.clone(), entry);
        Ok(breaker)
    }

    /// Adds the breaker of a key. What is written for it alone is left out where it can't be.
    #[cfg(feature = "keyed")]
    pub(crate) fn add_member(
        &self,
        family: &str,
        config: Config,
        make: impl Fn(Config) -> Result<Breaker, ConfigError>,
    ) -> Result<Breaker, ConfigError> {
        let mut state = self.lock();
        let code = config.clone();
        let breaker = state.add(config, Some(family.into()), &make);
        breaker.or_else(|error| {
            tracing::error!(
                breaker = code.name(),
                "what is configured for this key is left out: {error}"
            );
            make(code)
        })
    }

    #[cfg(feature = "keyed")]
    pub(crate) fn remove(&self, name: &str) {
        self.lock().breakers.remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }
}

impl State {
    fn add(
        &mut self,
        config: Config,
        family: Option<Arc<str>>,
        make: impl FnOnce(Config) -> Result<Breaker, ConfigError>,
    ) -> Result<Breaker, ConfigError> {
        let breaker = make(self.configs.apply(config.clone(), family.as_deref()))?;
        let registered = Registered {
            breaker: breaker.downgrade(),
            config,
            family,
        };
        self.breakers.insert(registered.config.name.clone(), registered);
        Ok(breaker)
    }

    fn check_is_free(&mut self, name: &str) -> Result<(), ConfigError> {
        self.forget_dropped();
        if self.breakers.contains_key(name) || self.families.contains_key(name) {
            let accepted = "one that no other breaker of the registry has";
            return Err(ConfigError::out_of_range("name", format!("{name:?}"), accepted));
        }
        Ok(())
    }

    fn forget_dropped(&mut self) {
        self.breakers.retain(|_, one| one.breaker.is_alive());
        self.families.retain(|_, (overflow, _)| overflow.is_alive());
    }

    /// Whether it is the name of a breaker, of a layer with a breaker per key, or of a key's breaker that there may be later.
    fn knows(&self, name: &str) -> bool {
        self.breakers.contains_key(name) || self.families.contains_key(name) || self.family_of(name).is_some()
    }

    fn family_of(&self, name: &str) -> Option<(&str, &(WeakBreaker, Config))> {
        let in_brackets = |family: &str| {
            let key = name.strip_prefix(family)?.strip_prefix('[')?;
            key.ends_with(']').then_some(())
        };
        let mut families = self.families.iter();
        families
            .find(|(family, _)| in_brackets(family).is_some())
            .map(|(family, entry)| (&**family, entry))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Registry")
            .field("breakers", &state.breakers.keys())
            .finish_non_exhaustive()
    }
}
