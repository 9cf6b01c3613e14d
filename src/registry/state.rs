//! The entries of a registry: its breakers, its keyed layers, and the configurations for both.
//!
//! All of it is behind the registry's lock. Entries hold weak references, so a breaker lives as
//! long as its layers and handles; dropped ones are removed before the next answer that counts
//! them.

use std::{collections::BTreeMap, sync::Arc};

use super::configs::Configs;
use crate::{
    breaker::{Breaker, WeakBreaker},
    config::Config,
    machine::ConfigError,
};

/// A list of the breakers of a registry, and what is configured for them.
#[derive(Default)]
pub(super) struct RegistryState {
    pub(super) configs: Configs,
    pub(super) breakers: BTreeMap<Arc<str>, BreakerEntry>,
    keyed_layers: BTreeMap<Arc<str>, KeyedLayerEntry>,
}

/// A breaker of a registry.
pub(super) struct BreakerEntry {
    pub(super) breaker: WeakBreaker,
    /// The configuration that the code gave.
    pub(super) config: Config,
    /// The name of the keyed layer that the breaker belongs to, if any.
    pub(super) keyed_layer: Option<Arc<str>>,
}

/// A layer with a breaker per key.
pub(super) struct KeyedLayerEntry {
    /// The breaker of keys that are too many. It lives as long as the layer, and is an entry of its
    /// own.
    pub(super) overflow: WeakBreaker,
    /// The configuration that the code gave for each of its breakers.
    pub(super) config: Config,
}

impl RegistryState {
    /// Makes a breaker under the configuration that applies to its name, and adds it.
    ///
    /// # Errors
    ///
    /// Returns the error of `make`; nothing is added then.
    pub(super) fn add(
        &mut self,
        config: Config,
        keyed_layer: Option<Arc<str>>,
        make: impl FnOnce(Config) -> Result<Breaker, ConfigError>,
    ) -> Result<Breaker, ConfigError> {
        let breaker = make(self.configs.apply(config.clone(), keyed_layer.as_deref()))?;
        let entry = BreakerEntry {
            breaker: breaker.downgrade(),
            config,
            keyed_layer,
        };
        self.breakers.insert(entry.config.name.clone(), entry);
        Ok(breaker)
    }

    /// Adds a keyed layer, whose overflow breaker has been added.
    #[cfg(feature = "keyed")]
    pub(super) fn add_keyed_layer(&mut self, config: &Config, overflow: WeakBreaker) {
        let entry = KeyedLayerEntry {
            overflow,
            config: config.clone(),
        };
        self.keyed_layers.insert(config.name.clone(), entry);
    }

    /// Checks that no breaker or keyed layer has this name.
    ///
    /// # Errors
    ///
    /// Returns an error that names `name` if it is taken.
    pub(super) fn check_is_free(&mut self, name: &str) -> Result<(), ConfigError> {
        self.remove_dropped();
        if self.breakers.contains_key(name) || self.keyed_layers.contains_key(name) {
            let accepted = "one that no other breaker of the registry has";
            return Err(ConfigError::out_of_range("name", format!("{name:?}"), accepted));
        }
        Ok(())
    }

    /// Removes the entries whose breakers have been dropped.
    pub(super) fn remove_dropped(&mut self) {
        self.breakers.retain(|_, entry| entry.breaker.is_alive());
        self.keyed_layers.retain(|_, entry| entry.overflow.is_alive());
    }

    /// Returns whether this is the name of a breaker, of a keyed layer, or of a breaker that a
    /// keyed layer may make later.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.breakers.contains_key(name) || self.keyed_layers.contains_key(name) || self.keyed_layer_of(name).is_some()
    }

    /// Returns the keyed layer whose breakers have names like this one: `hosts` for `hosts["a"]`.
    pub(super) fn keyed_layer_of(&self, name: &str) -> Option<(&str, &KeyedLayerEntry)> {
        let is_name_of_a_key = |layer: &str| {
            let key = name.strip_prefix(layer).and_then(|rest| rest.strip_prefix('['));
            key.is_some_and(|key| key.ends_with(']'))
        };
        self.keyed_layers
            .iter()
            .map(|(layer, entry)| (&**layer, entry))
            .find(|(layer, _)| is_name_of_a_key(layer))
    }
}
