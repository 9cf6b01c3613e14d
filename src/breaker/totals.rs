use std::time::Duration;

use crate::machine::{Assessment, Completion, Outcome, Settled};

/// What a breaker has seen since it was made. These only grow: `reset` leaves them alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Calls to the primary.
    pub primary: CallTotals,
    /// Calls to the backup.
    pub backup: CallTotals,
    /// Calls that the primary could not have: rejected, or diverted to the backup.
    pub refused: u64,
    /// Calls that failed on the primary and then went to the backup.
    pub failed_over: u64,
    /// How long calls waited for the primary to be ready, apart from their latency.
    pub readiness: ReadinessTotals,
}

/// Calls to one service, and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallTotals {
    /// Calls that were let through; those that were then never made count as cancelled.
    pub calls: u64,
    /// Calls that ended well, slow ones included.
    pub succeeded: u64,
    /// Calls that failed, or panicked.
    pub failed: u64,
    /// Calls that took longer than `slow_after`, counted when they do, and those that were given up when they had taken longer than most.
    pub slow: u64,
    /// Calls that said nothing about the service's health.
    pub ignored: u64,
    /// Calls whose caller gave up, or that were never made after all.
    pub cancelled: u64,
    /// Calls from before the last trip or manual change: they changed nothing.
    pub stale: u64,
    /// The latency of calls that came back, added up. To ask what the time is costs more than all else: where `slow_after` is
    /// [`Never`](crate::config::SlowAfter::Never), one in 64 good calls is timed; and of those that go to the backup while the breaker is open, one a
    /// millisecond and processor.
    pub latency: Duration,
    /// How many calls that sum is of.
    pub timed: u64,
}

/// Waiting for the primary's `poll_ready`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadinessTotals {
    /// How often a task had to wait.
    pub waits: u64,
    /// How long, in all.
    pub total: Duration,
    /// How often it ended in an error.
    pub errors: u64,
}

impl CallTotals {
    /// The mean latency; `None` where nothing has come back yet.
    #[must_use]
    pub fn mean_latency(&self) -> Option<Duration> {
        (self.timed > 0).then(|| Duration::from_nanos((self.latency.as_nanos() / u128::from(self.timed)) as u64))
    }

    pub(super) fn note(&mut self, settled: Settled, completion: Completion) {
        match settled {
            Settled::Counted(assessment) => self.note_judged(assessment, completion),
            Settled::Ignored => self.ignored += 1,
            Settled::Cancelled | Settled::Unused => self.cancelled += 1,
            Settled::Stale => self.stale += 1,
            Settled::Unrecorded => {}
        }
    }

    fn note_judged(&mut self, assessment: Assessment, completion: Completion) {
        self.slow += u64::from(assessment.slow);
        match completion {
            Completion::Cancelled => self.cancelled += 1,
            _ if assessment.failed => self.failed += 1,
            _ => self.succeeded += 1,
        }
    }

    /// A call of which only the end is still to be counted: the backup's, or one that was found to be slow before it ended.
    pub(super) fn note_end(&mut self, completion: Completion) {
        match completion {
            Completion::Finished(Outcome::Success) => self.succeeded += 1,
            Completion::Finished(Outcome::Failure) => self.failed += 1,
            Completion::Finished(Outcome::Ignored) => self.ignored += 1,
            Completion::Cancelled | Completion::Unused | Completion::Refused => self.cancelled += 1,
        }
    }

    pub(super) fn note_latency(&mut self, latency: Option<Duration>, completion: Completion) {
        if let (Some(latency), Completion::Finished(_)) = (latency, completion) {
            self.latency = self.latency.saturating_add(latency);
            self.timed += 1;
        }
    }
}
