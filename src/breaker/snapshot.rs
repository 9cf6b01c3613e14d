//! What there is to see of a breaker: its state, its totals, and the primary's last error.
//!
//! Totals only grow. Reading takes what the shards have counted first, and decides nothing.

use std::{fmt, sync::Arc, time::Duration};

use crate::error::shortened;
use crate::machine::{
    Assessment, Completion, Mode, Outcome, PolicyReading, Settled, State, Timestamp, TripReason, View,
};

/// A picture of a breaker at one moment. Taking it changes nothing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The breaker's name.
    pub name: Arc<str>,
    /// Where the calls go, in a word.
    pub state: State,
    /// The percentage of the calls that goes to the primary; 0 during a trial.
    pub share: u8,
    /// Who decides.
    pub mode: Mode,
    /// The operator's reason for the mode; `None` in [`Mode::Automatic`].
    pub mode_reason: Option<Arc<str>>,
    /// When the mode reverts to [`Mode::Automatic`] by itself.
    pub mode_reverts_at: Option<Timestamp>,
    /// The generation of calls. It grows with each trip and each manual change, and when half-open
    /// gets another recovery.
    pub generation: u64,
    /// When the view was taken, by the breaker's clock.
    pub now: Timestamp,
    /// How long the state has lasted.
    pub lasted: Duration,
    /// When a refused caller may come back. `None` where calls aren't refused, and where only an
    /// operator can tell.
    pub retry_after: Option<Duration>,
    /// How many openings went before the last one with no ten closed seconds in between (k).
    pub attempt: u32,
    /// Why it last tripped, or would have in [`Mode::Shadow`].
    pub last_trip: Option<TripReason>,
    /// Why it left closed, while it is open or half-open after a trip. Trials that failed since are
    /// the [last trip](Self::last_trip).
    pub first_trip: Option<TripReason>,
    /// How long a call that starts now may take before it is slow, as set by hand or learned.
    /// `None` where no call is slow, or not enough has been learned.
    pub slow_after: Option<Duration>,
    /// The learned 99th percentile of recent good calls' latency: see
    /// [`SlowAfter::Learned`](crate::config::SlowAfter::Learned). `None` before the first 64
    /// samples, and where `slow_after` is [`Never`](crate::config::SlowAfter::Never).
    pub learned_p99: Option<Duration>,
    /// The learned median of recent good calls' latency, where the p99 is known.
    pub learned_p50: Option<Duration>,
    /// Each policy with its counts, while the breaker is closed.
    pub policies: Vec<PolicyReading>,
    /// What the breaker has counted since it was made.
    pub totals: Totals,
    /// Calls to the primary that have started and haven't ended.
    pub in_flight: u64,
    /// The last error of the primary that was [noted](crate::Permit::note_error).
    /// `protocol::http::ByStatus` and [`ShowErrors`](crate::classify::ShowErrors) note errors.
    pub last_error: Option<LastError>,
}

impl Snapshot {
    pub(super) fn new(
        name: Arc<str>,
        view: View,
        totals: Totals,
        in_flight: u64,
        last_error: Option<LastError>,
    ) -> Self {
        Self {
            name,
            state: view.state,
            share: view.share,
            mode: view.mode,
            mode_reason: view.mode_reason,
            mode_reverts_at: view.mode_reverts_at,
            generation: view.generation,
            now: view.now,
            lasted: view.lasted,
            retry_after: view.retry_after,
            attempt: view.attempt,
            last_trip: view.last_trip,
            first_trip: view.first_trip,
            slow_after: view.slow_after,
            learned_p99: view.learned_p99,
            learned_p50: view.learned_p50,
            policies: view.policies,
            totals,
            in_flight,
            last_error,
        }
    }
}

/// Counts of what a breaker has seen since it was made. They only grow: `reset` leaves them alone.
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
    /// Calls that took longer than `slow_after`, counted when they do, and calls that were given up
    /// when they had taken longer than most.
    pub slow: u64,
    /// Calls that said nothing about the service's health.
    pub ignored: u64,
    /// Calls whose caller gave up, or that were never made after all.
    pub cancelled: u64,
    /// Calls from before the last trip or manual change: they were no evidence.
    pub stale: u64,
    /// Total latency of the timed calls. Reading the clock dominates the cost of a call, so where
    /// `slow_after` is [`Never`](crate::config::SlowAfter::Never), only one good call in 64 is
    /// timed. Of the calls that go to the backup while the breaker is open, one a millisecond and
    /// processor is timed.
    pub latency: Duration,
    /// How many calls were timed.
    pub timed: u64,
}

/// Counts of waits for the primary's `poll_ready`.
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

/// The last error of the primary that was [noted](crate::Permit::note_error).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastError {
    /// Its text, up to 200 bytes.
    pub text: Arc<str>,
    /// When it was noted, by the breaker's clock.
    pub at: Timestamp,
}

impl CallTotals {
    /// Returns the mean latency; `None` where no timed call has come back yet.
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

    /// Counts only the end of a call: one to the backup, or one that was counted as slow before it
    /// ended.
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

impl LastError {
    pub(super) fn new(error: &dyn fmt::Display, at: Timestamp) -> Self {
        Self {
            text: shortened(error),
            at,
        }
    }
}
