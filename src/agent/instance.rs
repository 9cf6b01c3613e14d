use std::{sync::Arc, time::Duration};

use super::history::{Check, History};
use crate::machine::State;

/// What an [`Agent`](super::Agent) knows of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// The breaker's name.
    pub name: Arc<str>,
    /// The breaker's state.
    pub state: State,
    /// How often it was checked.
    pub checks: u64,
    /// How many of these checks failed.
    pub failed: u64,
    /// How many have failed since the last good one.
    pub failed_in_a_row: u64,
    /// The last 60 checks, oldest first.
    pub history: Vec<Check>,
}

impl Instance {
    pub(super) fn new(name: Arc<str>, state: State, history: &History) -> Self {
        Self {
            name,
            state,
            checks: history.checks,
            failed: history.failed,
            failed_in_a_row: history.failed_in_a_row,
            history: history.recent.iter().cloned().collect(),
        }
    }

    /// The last check.
    #[must_use]
    pub fn latest(&self) -> Option<&Check> {
        self.history.last()
    }

    /// Half of the good checks in the [history](Self::history) took no longer; `None` where there are none.
    #[must_use]
    pub fn median_latency(&self) -> Option<Duration> {
        let good = self.history.iter().filter(|check| check.failure.is_none());
        let mut latencies: Vec<Duration> = good.map(|check| check.latency).collect();
        latencies.sort_unstable();
        latencies.get(latencies.len().checked_sub(1)? / 2).copied()
    }

    /// Failed checks ÷ checks in the [history](Self::history), from 0 to 1.
    #[must_use]
    pub fn failure_rate(&self) -> f64 {
        let failed = self.history.iter().filter(|check| check.failure.is_some()).count();
        failed as f64 / self.history.len().max(1) as f64
    }
}
