use std::collections::BTreeMap;

use crate::{
    config::Config,
    machine::{CancelledCalls, OpenDuration, Policy, Recovery, SlowAfter},
};

/// What all breakers of a [`Registry`](super::Registry) are configured by, and what some are configured by instead, by name. With feature `serde`
/// it comes from TOML, JSON or YAML.
///
/// What the code says of a breaker is replaced, setting by setting, by the defaults here, and these by what stands under the breaker's name. Under the name of
/// a layer with a breaker per key stands what is for all of its keys, and under that of a key's breaker, such as `hosts["a.example"]`, what
/// is for that one.
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
/// let registry = Registry::with(configs);
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

/// Some of a [`Config`]'s settings: those that are to replace others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartialConfig {
    pub(crate) slow_after: Option<SlowAfter>,
    pub(crate) trip_when: Option<Policy>,
    pub(crate) open_duration: Option<OpenDuration>,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) cancelled_calls: Option<CancelledCalls>,
}

impl Configs {
    /// Nothing is replaced.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is for all breakers.
    #[must_use]
    pub fn defaults(mut self, defaults: PartialConfig) -> Self {
        self.defaults = defaults;
        self
    }

    /// What is for the breaker of this name.
    #[must_use]
    pub fn breaker(mut self, name: impl Into<String>, config: PartialConfig) -> Self {
        self.breakers.insert(name.into(), config);
        self
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.breakers.keys().map(String::as_str)
    }

    /// What a breaker that may be a key's, of a layer of some name, goes by instead of what the code says.
    pub(super) fn apply(&self, mut config: Config, family: Option<&str>) -> Config {
        let [family, own] = [family, Some(config.name())].map(|name| self.breakers.get(name?));
        for part in [Some(&self.defaults), family, own].into_iter().flatten() {
            config = part.apply(config);
        }
        config
    }
}

impl PartialConfig {
    /// Nothing is replaced.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// See [`Config::slow_after`].
    #[must_use]
    pub fn slow_after(mut self, slow_after: impl Into<SlowAfter>) -> Self {
        self.slow_after = Some(slow_after.into());
        self
    }

    /// See [`Config::trip_when`].
    #[must_use]
    pub fn trip_when(mut self, policy: impl Into<Policy>) -> Self {
        self.trip_when = Some(policy.into());
        self
    }

    /// See [`Config::open_duration`].
    #[must_use]
    pub fn open_duration(mut self, duration: impl Into<OpenDuration>) -> Self {
        self.open_duration = Some(duration.into());
        self
    }

    /// See [`Config::recovery`].
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = Some(recovery);
        self
    }

    /// See [`Config::cancelled_calls`].
    #[must_use]
    pub fn cancelled_calls(mut self, cancelled: CancelledCalls) -> Self {
        self.cancelled_calls = Some(cancelled);
        self
    }

    /// This configuration, with these settings in it instead of its own.
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
