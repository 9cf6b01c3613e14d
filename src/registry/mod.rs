//! Finds, lists and configures breakers by name.
//!
//! A [`Registry`] holds breakers weakly, and [`Configs`] replace what the code says of them. Layers
//! register their breakers when they are built; the console, the exporter and the operator read the
//! registry. Breakers are reconfigured, and observers run, after the registry's lock is released.

mod configs;
mod error;
#[cfg(feature = "serde")]
mod serde;
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use self::state::RegistryState;
pub use self::{
    configs::{Configs, PartialConfig},
    error::RegistryError,
};
use crate::{
    breaker::Breaker,
    config::Config,
    lock::lock,
    machine::ConfigError,
    observe::{Event, Events, Observer, Subscribers},
};

/// A registry of breakers by name: finds and lists them, observes them, and configures them in one
/// place.
///
/// A breaker is in the registry from [`build`](crate::layer::CircuitBreakerLayerBuilder::build) on,
/// for as long as a layer or a handle of it exists. Looking one up never creates it. Clones share
/// the registry, and are cheap.
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
    shared: Arc<RegistryShared>,
}

#[derive(Default)]
struct RegistryShared {
    state: Mutex<RegistryState>,
    subscribers: Subscribers,
}

impl Registry {
    /// Returns an empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an empty registry whose configurations replace what the code says of its breakers.
    #[must_use]
    pub fn with_configs(configs: Configs) -> Self {
        let registry = Self::new();
        registry.lock().configs = configs;
        registry
    }

    /// Returns the breaker of this name.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::Unknown`] if there is none.
    pub fn get(&self, name: &str) -> Result<Breaker, RegistryError> {
        let state = self.lock();
        let breaker = state.breakers.get(name).and_then(|entry| entry.breaker.upgrade());
        breaker.ok_or_else(|| RegistryError::unknown(name))
    }

    /// Returns all breakers, in order of their names.
    #[must_use]
    pub fn breakers(&self) -> Vec<Breaker> {
        let mut state = self.lock();
        state.remove_dropped();
        state
            .breakers
            .values()
            .filter_map(|entry| entry.breaker.upgrade())
            .collect()
    }

    /// Returns the number of breakers.
    #[must_use]
    pub fn len(&self) -> usize {
        let mut state = self.lock();
        state.remove_dropped();
        state.breakers.len()
    }

    /// Returns whether there are no breakers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Subscribes to the events of all breakers from now on, including breakers that are built
    /// later.
    ///
    /// The stream buffers up to [`Events::CAPACITY`] unread events; after that the oldest are
    /// dropped.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        self.shared.subscribers.subscribe()
    }

    /// Replaces the configurations of all breakers, or of none if one of them is refused.
    ///
    /// They also apply to breakers that are built later. [`Breaker::reconfigure`] says what a
    /// breaker keeps.
    ///
    /// # Errors
    ///
    /// Returns the first name that no breaker has, or else the first breaker whose new
    /// configuration is invalid.
    pub fn reconfigure(&self, configs: Configs) -> Result<(), RegistryError> {
        let mut state = self.lock();
        state.remove_dropped();
        if let Some(name) = configs.names().find(|name| !state.knows(name)) {
            return Err(RegistryError::unknown(name));
        }
        let mut changes = Vec::new();
        for entry in state.breakers.values() {
            let config = configs.apply(entry.config.clone(), entry.keyed_layer.as_deref());
            let Some(breaker) = entry.breaker.upgrade() else {
                continue;
            };
            breaker
                .check(&config)
                .map_err(|error| RegistryError::refused(config.name(), error))?;
            if breaker.config() != config {
                changes.push((breaker, config));
            }
        }
        for name in configs.names() {
            // The key's breaker may not exist yet, so the overflow breaker checks in its place.
            if let Some((layer, entry)) = state.keyed_layer_of(name) {
                let config = configs.apply(entry.config.clone().named(name), Some(layer));
                let checked = entry
                    .overflow
                    .upgrade()
                    .map_or(Ok(()), |breaker| breaker.check(&config));
                checked.map_err(|error| RegistryError::refused(name, error))?;
            }
        }
        state.configs = configs;
        drop(state);
        // Observers run now, and may call the registry: its lock must be free.
        for (breaker, config) in changes {
            let name = config.name().to_owned();
            breaker
                .reconfigure(config)
                .map_err(|error| RegistryError::refused(&name, error))?;
        }
        Ok(())
    }

    /// Returns the names in the configurations that no breaker has.
    ///
    /// They are misspelled, or of breakers that are yet to be built.
    #[must_use]
    pub fn unused_names(&self) -> Vec<String> {
        let mut state = self.lock();
        state.remove_dropped();
        let unused = state.configs.names().filter(|name| !state.knows(name));
        unused.map(str::to_owned).collect()
    }

    /// Returns the observer by which a breaker's events reach the registry's subscribers.
    pub(crate) fn observer(&self) -> Box<dyn Observer> {
        let shared = self.shared.clone();
        Box::new(move |event: &Event| shared.subscribers.send(event))
    }

    /// Makes a breaker under the configuration that applies to its name, and adds it.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is taken, or the error of `make`.
    pub(crate) fn add(
        &self,
        config: Config,
        make: impl FnOnce(Config) -> Result<Breaker, ConfigError>,
    ) -> Result<Breaker, ConfigError> {
        let mut state = self.lock();
        state.check_is_free(config.name())?;
        state.add(config, None, make)
    }

    /// Adds a layer with a breaker per key, and makes its overflow breaker.
    ///
    /// # Errors
    ///
    /// Returns an error if one of the two names is taken, or the error of `make`.
    #[cfg(feature = "keyed")]
    pub(crate) fn add_keyed_layer(
        &self,
        layer: &Config,
        overflow: Config,
        make: impl FnOnce(Config) -> Result<Breaker, ConfigError>,
    ) -> Result<Breaker, ConfigError> {
        let mut state = self.lock();
        state.check_is_free(layer.name())?;
        state.check_is_free(overflow.name())?;
        let breaker = state.add(overflow, Some(layer.name.clone()), make)?;
        state.add_keyed_layer(layer, breaker.downgrade());
        Ok(breaker)
    }

    /// Makes the breaker of a key, and adds it.
    ///
    /// If what is configured for this key is refused, the breaker gets the configuration of the
    /// code, isn't added, and an error is logged.
    ///
    /// # Errors
    ///
    /// Returns the error of `make` for the configuration of the code.
    #[cfg(feature = "keyed")]
    pub(crate) fn add_keyed_breaker(
        &self,
        layer: &str,
        config: Config,
        make: impl Fn(Config) -> Result<Breaker, ConfigError>,
    ) -> Result<Breaker, ConfigError> {
        let mut state = self.lock();
        let in_code = config.clone();
        let breaker = state.add(config, Some(layer.into()), &make);
        breaker.or_else(|error| {
            tracing::error!(
                breaker = in_code.name(),
                "what is configured for this key is left out: {error}"
            );
            make(in_code)
        })
    }

    /// Removes a key's breaker.
    #[cfg(feature = "keyed")]
    pub(crate) fn remove(&self, name: &str) {
        self.lock().breakers.remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, RegistryState> {
        lock(&self.shared.state)
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
