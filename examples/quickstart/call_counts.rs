//! Counts of calls, and their latency.

use std::time::Duration;

use crate::traffic::Call;

/// How some calls ended.
#[derive(Default)]
pub(crate) struct CallCounts {
    /// Answers of the primary, answers of the backup, and errors; in the order of
    /// [`Answer`](crate::traffic::Answer).
    pub(crate) answers: [usize; 3],
    latencies: Vec<Duration>,
}

impl CallCounts {
    pub(crate) fn note(&mut self, call: &Call) {
        self.answers[call.answer as usize] += 1;
        self.latencies.push(call.latency);
    }

    pub(crate) fn requests(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn errors(&self) -> usize {
        self.answers[2]
    }

    /// Returns the 99th percentile of the latency (nearest rank). Requests without an answer are
    /// included.
    pub(crate) fn p99(&mut self) -> Option<Duration> {
        self.latencies.sort_unstable();
        let rank = (self.requests() * 99).div_ceil(100);
        self.latencies.get(rank.checked_sub(1)?).copied()
    }
}
