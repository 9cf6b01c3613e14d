//! What an agent's users see of an instance.

use std::{sync::Arc, time::Duration};

use super::{check::Check, check_log::CheckLog};
use crate::machine::State;

/// A snapshot of an instance that an [`Agent`](super::Agent) watches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// The breaker's name.
    pub name: Arc<str>,
    /// The breaker's state.
    pub state: State,
    /// The number of checks so far.
    pub checks: u64,
    /// How many of these checks failed.
    pub failed: u64,
    /// How many checks failed since the last one that passed.
    pub failed_in_a_row: u64,
    /// The last 60 checks, oldest first.
    pub history: Vec<Check>,
}

impl Instance {
    pub(super) fn new(name: Arc<str>, state: State, log: &CheckLog) -> Self {
        Self {
            name,
            state,
            checks: log.checks,
            failed: log.failed,
            failed_in_a_row: log.failed_in_a_row,
            history: log.recent.iter().cloned().collect(),
        }
    }

    /// Returns the last check.
    #[must_use]
    pub fn latest(&self) -> Option<&Check> {
        self.history.last()
    }

    /// Returns the median latency of the passed checks in the [history](Self::history), or `None`
    /// if there are none.
    #[must_use]
    pub fn median_latency(&self) -> Option<Duration> {
        let passed = self.history.iter().filter(|check| check.failure.is_none());
        let mut latencies: Vec<Duration> = passed.map(|check| check.latency).collect();
        latencies.sort_unstable();
        latencies.get(latencies.len().checked_sub(1)? / 2).copied()
    }

    /// Returns failed checks ÷ checks in the [history](Self::history), from 0 to 1.
    #[must_use]
    pub fn failure_rate(&self) -> f64 {
        let failed = self.history.iter().filter(|check| check.failure.is_some()).count();
        failed as f64 / self.history.len().max(1) as f64
    }
}
