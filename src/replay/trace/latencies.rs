//! The distribution of successful calls' latencies.

use std::{fmt, time::Duration};

use crate::machine::HumanDuration;

/// The number of successful calls from which a p99 is taken seriously.
pub(crate) const MIN_SUCCESSES: usize = 100;

/// A distribution of latencies: how long successful calls took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// In rising order.
    sorted: Vec<Duration>,
}

impl Latencies {
    /// Sorts these latencies. [`Trace::latencies`](super::Trace::latencies) gives those of a trace.
    #[must_use]
    pub fn of(latencies: impl IntoIterator<Item = Duration>) -> Self {
        let mut sorted: Vec<_> = latencies.into_iter().collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    /// Returns the number of calls.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.sorted.len()
    }

    /// Returns the latency that a part of the calls, from 0 to 1, didn't exceed.
    ///
    /// 0.99 gives the p99. The result is the latency of a call, not an interpolation. It is zero if
    /// there are no calls.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        let rank = (part.clamp(0.0, 1.0) * self.sorted.len() as f64).ceil() as usize;
        self.sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Latencies {
    /// Writes p50, p90, p99 and p99.9, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|part| HumanDuration(self.quantile(part)));
        write!(f, "p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}")
    }
}
