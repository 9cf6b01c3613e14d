use std::time::Duration;

use crate::traffic::{Answer, Call};

/// What became of some requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) by_primary: usize,
    pub(crate) by_backup: usize,
    pub(crate) errors: usize,
    latencies: Vec<Duration>,
}

impl Tally {
    pub(crate) fn note(&mut self, call: &Call) {
        match call.answer {
            Answer::FromPrimary => self.by_primary += 1,
            Answer::FromBackup => self.by_backup += 1,
            Answer::Error => self.errors += 1,
        }
        self.latencies.push(call.latency);
    }

    pub(crate) fn requests(&self) -> usize {
        self.latencies.len()
    }

    /// The latency that 99 % of the requests didn't exceed, those included that got no answer; by nearest rank.
    pub(crate) fn p99(&mut self) -> Option<Duration> {
        self.latencies.sort_unstable();
        let rank = (self.requests() * 99).div_ceil(100);
        self.latencies.get(rank.checked_sub(1)?).copied()
    }
}
