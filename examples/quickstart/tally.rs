use std::time::Duration;

use crate::traffic::Call;

/// What became of some requests.
#[derive(Default)]
pub(crate) struct Tally {
    /// By the primary, by the backup, and errors: as in [`Answer`](crate::traffic::Answer).
    pub(crate) answers: [usize; 3],
    latencies: Vec<Duration>,
}

impl Tally {
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

    /// What 99 % of the requests took at most (nearest rank), those included that got no answer.
    pub(crate) fn p99(&mut self) -> Option<Duration> {
        self.latencies.sort_unstable();
        let rank = (self.requests() * 99).div_ceil(100);
        self.latencies.get(rank.checked_sub(1)?).copied()
    }
}
