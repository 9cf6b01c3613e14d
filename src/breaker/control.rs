//! What an operator can do to a breaker: force it open, disable it, shadow, trip, reset,
//! reconfigure.
//!
//! Each takes the lock for one step, and may begin a new generation: calls from before it are
//! stale. Those that end in `_at` do so only if the generation is still the one that the operator
//! saw.

use std::{sync::Arc, time::Duration};

use super::breaker::Breaker;
#[cfg(feature = "console")]
use crate::machine::{Machine, Timestamp};
use crate::{
    config::Config,
    machine::{ConfigError, Mode, TripReason},
};

/// What an operator can do.
impl Breaker {
    /// Checks whether the breaker could go on under this configuration.
    pub(crate) fn check(&self, config: &Config) -> Result<(), ConfigError> {
        config.check()?;
        self.shared().read(|state| state.machine.check(&config.settings))
    }

    /// Refuses all calls until an operator changes that, or for as long as `ttl` says (a
    /// [`Duration`], or `None` for good). After that, access returns by way of a probe.
    pub fn force_open(&self, reason: impl Into<Arc<str>>, ttl: impl Into<Option<Duration>>) {
        self.set_mode(Mode::ForcedOpen, reason.into(), ttl.into());
    }

    /// Sends all calls to the primary and records nothing, until an operator changes that or for as
    /// long as `ttl` says.
    pub fn disable(&self, reason: impl Into<Arc<str>>, ttl: impl Into<Option<Duration>>) {
        self.set_mode(Mode::Disabled, reason.into(), ttl.into());
    }

    /// Sends all calls to the primary, records them, and reports when the breaker would have
    /// tripped (at most once in 10 s), until an operator changes that or for as long as `ttl` says.
    pub fn shadow(&self, reason: impl Into<Arc<str>>, ttl: impl Into<Option<Duration>>) {
        self.set_mode(Mode::Shadow, reason.into(), ttl.into());
    }

    /// Lets the breaker decide again.
    pub fn automatic(&self, reason: impl Into<Arc<str>>) {
        self.set_mode(Mode::Automatic, reason.into(), None);
    }

    /// Trips the breaker for a reason that the calls don't show, such as one of [your
    /// own](TripReason::custom), and returns whether it tripped. One that is open already doesn't
    /// trip. Access returns as after any trip. The breaker has to be [automatic](Mode::Automatic);
    /// in [`Mode::Shadow`] it reports that it would have tripped.
    ///
    /// To stop all calls until an operator changes that, see [`force_open`](Self::force_open).
    pub fn trip(&self, reason: TripReason) -> bool {
        self.update(|state, now| state.machine.trip_for(reason, now))
    }

    /// Closes the breaker from any state and forgets everything it decides by, including a manual
    /// mode and the learned latency. The [`Totals`](crate::snapshot::Totals) go on.
    pub fn reset(&self, reason: impl Into<Arc<str>>) {
        let reason = reason.into();
        self.update(|state, now| state.machine.reset(reason, now));
    }

    /// Replaces the configuration. State, counts, the learned latency and the name are kept.
    ///
    /// Windows keep what fits. An open time that has begun runs on. Another recovery, while
    /// half-open, starts with its probe.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range or contradicts another; nothing has changed
    /// then.
    pub fn reconfigure(&self, config: Config) -> Result<(), ConfigError> {
        config.check()?;
        self.update(|state, now| state.machine.reconfigure(config.settings, now))
    }

    /// Sets the mode like an operator, if the generation is still this one; returns whether it was.
    #[cfg(feature = "console")]
    pub(crate) fn set_mode_at(&self, generation: u64, mode: Mode, reason: &str, ttl: Option<Duration>) -> bool {
        self.update_at(generation, |machine, now| {
            machine.set_mode(mode, reason.into(), ttl, now);
        })
        .is_some()
    }

    #[cfg(feature = "console")]
    pub(crate) fn reset_at(&self, generation: u64, reason: &str) -> bool {
        self.update_at(generation, |machine, now| machine.reset(reason.into(), now))
            .is_some()
    }

    #[cfg(feature = "console")]
    pub(crate) fn reconfigure_at(&self, generation: u64, config: Config) -> Result<bool, ConfigError> {
        config.check()?;
        let done = self.update_at(generation, |machine, now| machine.reconfigure(config.settings, now));
        done.transpose().map(|done| done.is_some())
    }

    #[cfg(feature = "console")]
    fn update_at<R>(&self, generation: u64, change: impl FnOnce(&mut Machine, Timestamp) -> R) -> Option<R> {
        self.update(|state, now| {
            // What is due by now comes first.
            state.machine.evaluate(now);
            let is_same = state.machine.generation() == generation;
            is_same.then(|| change(&mut state.machine, now))
        })
    }

    fn set_mode(&self, mode: Mode, reason: Arc<str>, ttl: Option<Duration>) {
        self.update(|state, now| state.machine.set_mode(mode, reason, ttl, now));
    }
}
