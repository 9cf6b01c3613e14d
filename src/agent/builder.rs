use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use super::Agent;
use crate::machine::ConfigError;

/// Builds an [`Agent`].
#[must_use = "a builder does nothing until it builds"]
#[derive(Clone, Debug)]
pub struct AgentBuilder {
    plan: Plan,
}

/// What an agent goes by.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) every: Duration,
    pub(super) jitter: f64,
    pub(super) timeout: Duration,
    pub(super) trip_after: Option<u32>,
    pub(super) gate_recovery: bool,
    pub(super) seed: u64,
}

impl AgentBuilder {
    pub(super) fn new() -> Self {
        Self {
            plan: Plan {
                every: Duration::from_secs(5),
                jitter: 0.1,
                timeout: Duration::from_secs(1),
                trip_after: Some(3),
                gate_recovery: true,
                seed: RandomState::new().hash_one(0),
            },
        }
    }

    /// How long from the start of one check to that of the next, where the first doesn't take longer. The first ones are spread over this time, so that thousands of
    /// instances aren't checked at once. While a breaker is open, a check comes earlier, when its open time is up. Above 0, at most 365 days; default: 5 s.
    pub fn every(mut self, every: Duration) -> Self {
        self.plan.every = every;
        self
    }

    /// How far a wait may be from [`every`](Self::every), in either direction: with 0.1, by a tenth. From 0 to 1; default: 0.1.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.plan.jitter = jitter;
        self
    }

    /// After this long a check has failed, and is given up. Above 0, at most 365 days; default: 1 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.plan.timeout = timeout;
        self
    }

    /// How many checks in a row have to fail to trip the breaker; `None`: they never do. At least 1; default: 3.
    pub fn trip_after(mut self, checks: impl Into<Option<u32>>) -> Self {
        self.plan.trip_after = checks.into();
        self
    }

    /// Whether trials are kept for the agent, so that no user's call is the first to a sick instance. Otherwise, both may make them. Default: `true`.
    ///
    /// A check that can't pass, of a wrong address for example, keeps an open breaker open then, however well the instance is; its failures are logged,
    /// and stand in the [history](super::Instance::history).
    pub fn gate_recovery(mut self, gate: bool) -> Self {
        self.plan.gate_recovery = gate;
        self
    }

    /// Where jitter starts from; the same seed gives the same waits. Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.seed = seed;
        self
    }

    /// The agent.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range.
    pub fn build(self) -> Result<Agent, ConfigError> {
        let Self { plan } = self;
        ConfigError::check_duration("every", plan.every)?;
        ConfigError::check_duration("timeout", plan.timeout)?;
        if !(0.0..=1.0).contains(&plan.jitter) {
            return Err(ConfigError::out_of_range("jitter", plan.jitter, "0 to 1"));
        }
        if plan.trip_after == Some(0) {
            return Err(ConfigError::out_of_range("trip_after", 0, "1 or more, or none"));
        }
        Ok(Agent {
            plan: Arc::new(plan),
            watched: Default::default(),
        })
    }
}
