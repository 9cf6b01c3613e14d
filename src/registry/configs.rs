//! Configurations by name, which replace what the code says setting by setting.

use std::collections::BTreeMap;

use crate::{
    config::Config,
    machine::{CancelledCalls, OpenDuration, Policy, Recovery, SlowAfter},
};

/// A set of configurations for the breakers of a [`Registry`](super::Registry): defaults for all,
/// and more by name. With feature `serde` it is read from TOML, JSON or YAML.
///
/// The defaults replace what the code says of a breaker, setting by setting. What stands under the
/// breaker's name replaces the defaults. For a layer with a breaker per key, the layer's name
/// stands for all of its keys, and a name such as `hosts["a.example"]` for the breaker of one key.
///
#[cfg_attr(feature = "serde", doc = "```")]
#[cfg_attr(not(feature = "serde"), doc = "```ignore")]
/// use tower_breaker::{CircuitBreakerLayer, registry::{Configs, Registry}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let configs: Configs = toml::from_str(
///     r#"
///     [defaults]
///     slow_after = "300ms"
///
///     [breakers.reports]
///     slow_after = "5s"
///     trip_when = { evidence = { tolerated_rate = 0.2 } }
///     "#,
/// )?;
/// let registry = Registry::with_configs(configs);
/// let layer = CircuitBreakerLayer::builder().name("reports").registry(&registry).build()?;
/// # assert_eq!(layer.breaker().snapshot().slow_after, Some(std::time::Duration::from_secs(5)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configs {
    pub(crate) defaults: PartialConfig,
    pub(crate) breakers: BTreeMap<String, PartialConfig>,
}

/// A part of a [`Config`]: the settings that replace those of another configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartialConfig {
    pub(crate) slow_after: Option<SlowAfter>,
    pub(crate) trip_when: Option<Policy>,
    pub(crate) open_duration: Option<OpenDuration>,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) cancelled_calls: Option<CancelledCalls>,
}

impl Configs {
    /// Returns a set that replaces nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what applies to all breakers.
    #[must_use]
    pub fn defaults(mut self, defaults: PartialConfig) -> Self {
        self.defaults = defaults;
        self
    }

    /// Sets what applies to the breaker, or to the keyed layer, of this name.
    #[must_use]
    pub fn breaker(mut self, name: impl Into<String>, config: PartialConfig) -> Self {
        self.breakers.insert(name.into(), config);
        self
    }

    /// Returns the names, in alphabetical order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.breakers.keys().map(String::as_str)
    }

    /// Returns a breaker's configuration with all that applies to it.
    ///
    /// `keyed_layer` is the name of the layer if the breaker is that of a key.
    pub(super) fn apply(&self, mut config: Config, keyed_layer: Option<&str>) -> Config {
        let [layers, own] = [keyed_layer, Some(config.name())].map(|name| self.breakers.get(name?));
        for part in [Some(&self.defaults), layers, own].into_iter().flatten() {
            config = part.apply(config);
        }
        config
    }
}

impl PartialConfig {
    /// Returns a part with no settings, which replaces nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`Config::slow_after`].
    #[must_use]
    pub fn slow_after(mut self, slow_after: impl Into<SlowAfter>) -> Self {
        self.slow_after = Some(slow_after.into());
        self
    }

    /// Sets [`Config::trip_when`].
    #[must_use]
    pub fn trip_when(mut self, policy: impl Into<Policy>) -> Self {
        self.trip_when = Some(policy.into());
        self
    }

    /// Sets [`Config::open_duration`].
    #[must_use]
    pub fn open_duration(mut self, duration: impl Into<OpenDuration>) -> Self {
        self.open_duration = Some(duration.into());
        self
    }

    /// Sets [`Config::recovery`].
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = Some(recovery);
        self
    }

    /// Sets [`Config::cancelled_calls`].
    #[must_use]
    pub fn cancelled_calls(mut self, cancelled: CancelledCalls) -> Self {
        self.cancelled_calls = Some(cancelled);
        self
    }

    /// Returns the configuration with these settings in place of its own.
    #[must_use]
    pub fn apply(&self, mut config: Config) -> Config {
        let settings = &mut config.settings;
        if let Some(slow_after) = self.slow_after {
            settings.slow_after = slow_after;
        }
        if let Some(policy) = &self.trip_when {
            settings.trip_when = policy.clone();
        }
        if let Some(duration) = self.open_duration {
            settings.open_duration = duration;
        }
        if let Some(recovery) = &self.recovery {
            settings.recovery = recovery.clone();
        }
        if let Some(cancelled) = self.cancelled_calls {
            settings.cancelled_calls = cancelled;
        }
        config
    }
}
