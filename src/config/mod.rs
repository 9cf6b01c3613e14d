//! The configuration of a breaker: its name and settings.
//!
//! A [`Config`] is a value: [`check`](Config::check) says whether a breaker can have it, and the
//! layer's builder checks it once more. With feature `serde` it is read and written by any serde
//! format. The settings themselves are the machine's; this module depends on it and on nothing else
//! of the crate.

use std::sync::Arc;

pub use crate::machine::{CancelledCalls, ConfigError, Settings, SlowAfter};
use crate::machine::{OpenDuration, Policy, Recovery};

#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "serde")]
pub(crate) mod value;

/// A breaker's name and the settings that it decides by. With feature `serde` it is read from TOML,
/// JSON or YAML.
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

/// The longest name of a breaker, in bytes.
pub(crate) const LONGEST_NAME: usize = 256;

impl Config {
    /// Makes a configuration with the default settings. The name takes 1 to 256 bytes.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            settings: Settings::default(),
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the same settings under another name.
    pub(crate) fn named(&self, name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            settings: self.settings.clone(),
        }
    }

    /// Returns the settings that the machine decides by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sets after how long a call is slow, and so counts as bad, whether it has ended or is still
    /// in flight.
    ///
    /// Takes a [`Duration`](std::time::Duration) above 0 and at most 365 days, or
    /// [`SlowAfter::Learned`]; `None` is [`SlowAfter::Never`]. Default: [`SlowAfter::Auto`], which
    /// learns it if refused calls go to a backup service, and otherwise is never.
    #[must_use]
    pub fn slow_after(mut self, slow_after: impl Into<SlowAfter>) -> Self {
        self.settings.slow_after = slow_after.into();
        self
    }

    /// Sets when to trip. Default: [`Evidence`](crate::Evidence).
    #[must_use]
    pub fn trip_when(mut self, policy: impl Into<Policy>) -> Self {
        self.settings.trip_when = policy.into();
        self
    }

    /// Sets how long to stay open: a [`Duration`](std::time::Duration), or an [`OpenDuration`] that
    /// grows. Default: one that grows from 0.5 s to 3 s.
    #[must_use]
    pub fn open_duration(mut self, duration: impl Into<OpenDuration>) -> Self {
        self.settings.open_duration = duration.into();
        self
    }

    /// Sets how access to the primary returns. Default: [`Recovery::gradual`].
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.settings.recovery = recovery;
        self
    }

    /// Sets what a call counts as if its caller gave up. Default:
    /// [`CancelledCalls::SlowIfOverdue`].
    #[must_use]
    pub fn cancelled_calls(mut self, cancelled: CancelledCalls) -> Self {
        self.settings.cancelled_calls = cancelled;
        self
    }

    /// Checks that a breaker can have this configuration.
    ///
    /// It isn't known here whether there is a backup. So only
    /// [`build`](crate::layer::CircuitBreakerLayerBuilder::build) refuses a policy that asks which
    /// calls are slow, with [`SlowAfter::Auto`] and no backup.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range or contradicts another.
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
