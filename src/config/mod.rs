//! The settings of a breaker, and how they are read and written.

use std::sync::Arc;

pub use crate::machine::{CancelledCalls, ConfigError, SlowAfter};
use crate::machine::{OpenDuration, Policy, Recovery, Settings};

#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "serde")]
pub(crate) mod value;

/// What a breaker is called, and what it decides by. With feature `serde` it comes from TOML, JSON or YAML.
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{Config, Evidence};
///
/// let config = Config::new("payments")
///     .slow_after(Duration::from_millis(300))
///     .trip_when(Evidence::tolerating(0.3));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub(crate) name: Arc<str>,
    pub(crate) settings: Settings,
}

/// The longest name, in bytes.
pub(crate) const LONGEST_NAME: usize = 256;

impl Config {
    /// The defaults, under this name: 1 to 256 bytes.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            settings: Settings::default(),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same under another name.
    pub(crate) fn named(&self, name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            settings: self.settings.clone(),
        }
    }

    /// What the machine decides by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Counts a call as bad that takes longer, or is still in flight after this: a [`Duration`](std::time::Duration) above 0, at most 365 days, or
    /// [`SlowAfter::Learned`]; `None` is [`SlowAfter::Never`]. Default: [`SlowAfter::Auto`], which is learned where refused calls go to a
    /// backup service, and never elsewhere.
    #[must_use]
    pub fn slow_after(mut self, slow_after: impl Into<SlowAfter>) -> Self {
        self.settings.slow_after = slow_after.into();
        self
    }

    /// When to trip. Default: [`Evidence`](crate::Evidence).
    #[must_use]
    pub fn trip_when(mut self, policy: impl Into<Policy>) -> Self {
        self.settings.trip_when = policy.into();
        self
    }

    /// How long to stay open: a [`Duration`](std::time::Duration), or an [`OpenDuration`] that grows (the default: 0.5 s to 3 s).
    #[must_use]
    pub fn open_duration(mut self, duration: impl Into<OpenDuration>) -> Self {
        self.settings.open_duration = duration.into();
        self
    }

    /// How access returns. Default: [`Recovery::gradual`].
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.settings.recovery = recovery;
        self
    }

    /// What a call means whose caller gave up. Default: [`CancelledCalls::SlowIfOverdue`].
    #[must_use]
    pub fn cancelled_calls(mut self, cancelled: CancelledCalls) -> Self {
        self.settings.cancelled_calls = cancelled;
        self
    }

    /// Whether there is a backup isn't known here: a policy that asks which calls are slow, with [`SlowAfter::Auto`] and no backup, is refused
    /// by [`build`](crate::layer::CircuitBreakerLayerBuilder::build) only.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(1..=LONGEST_NAME).contains(&self.name.len()) {
            let shown: String = self.name.chars().take(40).collect();
            return Err(ConfigError::out_of_range(
                "name",
                format!("{shown:?}"),
                "1 to 256 bytes long",
            ));
        }
        self.settings.check_with_auto_as(SlowAfter::Learned)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new("breaker")
    }
}
