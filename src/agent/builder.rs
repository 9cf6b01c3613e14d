//! The builder of an agent: its settings and their ranges.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use super::Agent;
use crate::machine::ConfigError;

/// A builder of an [`Agent`].
#[must_use = "a builder does nothing until it builds"]
#[derive(Clone, Debug)]
pub struct AgentBuilder {
    config: AgentConfig,
}

/// A configuration of an agent, as its builder's methods describe it.
#[derive(Clone, Debug)]
pub(super) struct AgentConfig {
    pub(super) every: Duration,
    pub(super) jitter: f64,
    pub(super) timeout: Duration,
    /// `None`: failed checks never trip.
    pub(super) trip_after: Option<u32>,
    pub(super) gate_recovery: bool,
    pub(super) seed: u64,
}

impl AgentBuilder {
    pub(super) fn new() -> Self {
        Self {
            config: AgentConfig {
                every: Duration::from_secs(5),
                jitter: 0.1,
                timeout: Duration::from_secs(1),
                trip_after: Some(3),
                gate_recovery: true,
                seed: RandomState::new().hash_one(0),
            },
        }
    }

    /// Sets the interval from the start of one check to the start of the next. Above 0, at most 365
    /// days; default: 5 s.
    ///
    /// A check that takes longer delays the next. First checks are spread over the interval, so
    /// that thousands of instances aren't checked at once. While a breaker is open, the next check
    /// comes earlier if its open time ends earlier.
    pub fn every(mut self, every: Duration) -> Self {
        self.config.every = every;
        self
    }

    /// Sets how far a wait may be from [`every`](Self::every) in either direction, as a part of it.
    /// From 0 to 1; default: 0.1.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.config.jitter = jitter;
        self
    }

    /// Sets the time after which a check is given up, and counts as failed. Above 0, at most 365
    /// days; default: 1 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self
    }

    /// Sets how many checks in a row must fail to trip the breaker. At least 1, or `None`: failed
    /// checks never trip. Default: 3.
    pub fn trip_after(mut self, checks: impl Into<Option<u32>>) -> Self {
        self.config.trip_after = checks.into();
        self
    }

    /// Sets whether trials are reserved for the agent, so that no user's call is the first to a
    /// sick instance. Otherwise both make them. Default: `true`.
    ///
    /// With `true`, a check that can't pass, such as one of a wrong address, keeps an open breaker
    /// open even if the instance is well. Its failures are logged, and stand in the
    /// [history](super::Instance::history).
    pub fn gate_recovery(mut self, gate: bool) -> Self {
        self.config.gate_recovery = gate;
        self
    }

    /// Sets the seed of jitter. The same seed gives the same waits. Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Builds the agent.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range.
    pub fn build(self) -> Result<Agent, ConfigError> {
        let Self { config } = self;
        ConfigError::check_duration("every", config.every)?;
        ConfigError::check_duration("timeout", config.timeout)?;
        if !(0.0..=1.0).contains(&config.jitter) {
            return Err(ConfigError::out_of_range("jitter", config.jitter, "0 to 1"));
        }
        if config.trip_after == Some(0) {
            return Err(ConfigError::out_of_range("trip_after", 0, "1 or more, or none"));
        }
        Ok(Agent {
            config: Arc::new(config),
            instances: Default::default(),
        })
    }
}
