use std::{sync::Arc, time::Duration};

use super::breaker::Breaker;
#[cfg(feature = "console")]
use crate::machine::{Machine, Timestamp};
use crate::{
    config::Config,
    machine::{ConfigError, Mode, TripReason},
};

/// What is done by hand.
impl Breaker {
    /// Whether it could go on under this configuration.
    pub(crate) fn check(&self, config: &Config) -> Result<(), ConfigError> {
        config.check()?;
        self.shared().read(|state| state.machine.check(&config.settings))
    }

    /// Refuses all calls, until told otherwise or for as long as `ttl` says (a [`Duration`], or `None` for good). After that, access
    /// returns by way of a probe.
    pub fn force_open(&self, reason: impl Into<Arc<str>>, ttl: impl Into<Option<Duration>>) {
        self.set_mode(Mode::ForcedOpen, reason.into(), ttl.into());
    }

    /// Sends all calls to the primary and records nothing, until told otherwise or for as long as `ttl` says.
    pub fn disable(&self, reason: impl Into<Arc<str>>, ttl: impl Into<Option<Duration>>) {
        self.set_mode(Mode::Disabled, reason.into(), ttl.into());
    }

    /// Sends all calls to the primary, records them, and says when the breaker would have tripped (at most once in 10 s),
    /// until told otherwise or for as long as `ttl` says.
    pub fn shadow(&self, reason: impl Into<Arc<str>>, ttl: impl Into<Option<Duration>>) {
        self.set_mode(Mode::Shadow, reason.into(), ttl.into());
    }

    /// Lets the breaker decide again.
    pub fn automatic(&self, reason: impl Into<Arc<str>>) {
        self.set_mode(Mode::Automatic, reason.into(), None);
    }

    /// Trips for a reason that the calls don't tell, such as one of [your own](TripReason::custom). Access returns as after any trip, and the
    /// breaker has to be [automatic](Mode::Automatic); in [`Mode::Shadow`] it says that it would have tripped. Whether it did: one that is
    /// open already doesn't.
    ///
    /// To stop all calls until told otherwise, see [`force_open`](Self::force_open).
    pub fn trip(&self, reason: TripReason) -> bool {
        self.update(|state, now| state.machine.trip_for(reason, now))
    }

    /// Closes the breaker and forgets everything it decides by, a manual mode and what it has learned of the latency included, from any
    /// state. The [`Totals`](crate::Totals) go on.
    pub fn reset(&self, reason: impl Into<Arc<str>>) {
        let reason = reason.into();
        self.update(|state, now| state.machine.reset(reason, now));
    }

    /// Goes on under another configuration; state, counts and what was learned of the latency are kept, and so is the name.
    ///
    /// Windows keep what fits. An open time that has begun runs on. Another recovery, while half-open, starts with its probe.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another; nothing has changed then.
    pub fn reconfigure(&self, config: Config) -> Result<(), ConfigError> {
        config.check()?;
        self.update(|state, now| state.machine.reconfigure(config.settings, now))
    }

    /// As if by hand, if the generation is still this one. Whether it was.
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
            state.machine.reconsider(now);
            let is_same = state.machine.generation() == generation;
            is_same.then(|| change(&mut state.machine, now))
        })
    }

    fn set_mode(&self, mode: Mode, reason: Arc<str>, ttl: Option<Duration>) {
        self.update(|state, now| state.machine.set_mode(mode, reason, ttl, now));
    }
}
