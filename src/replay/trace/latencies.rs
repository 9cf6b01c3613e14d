use std::{fmt, time::Duration};

use super::Trace;
use crate::{
    machine::{HumanDuration, Outcome},
    observe::Completion,
};

/// So many successful calls make a p99.
pub(in crate::replay) const ENOUGH: usize = 100;

/// How long successful calls took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// In nanoseconds, rising.
    sorted: Vec<u64>,
}

impl Latencies {
    /// Those of a trace's successful calls.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let successes = trace
            .calls
            .iter()
            .filter(|call| call.outcome == Completion::Finished(Outcome::Success));
        let mut sorted: Vec<_> = successes.map(|call| call.latency).collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    /// How many there are.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.sorted.len()
    }

    /// The latency that this part of the calls, from 0 to 1, didn't exceed: 0.99 gives the p99. Zero where there are none.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        let rank = (part.clamp(0.0, 1.0) * self.sorted.len() as f64).ceil() as usize;
        let nanos = self.sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0);
        Duration::from_nanos(nanos)
    }
}

impl fmt::Display for Latencies {
    /// p50, p90, p99 and p99.9, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|part| HumanDuration(self.quantile(part)));
        write!(f, "p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}")
    }
}
