//! What there is to see of a breaker: its state, its totals, and the primary's last error.
//!
//! Totals only grow. Reading takes what the shards have counted first, and decides nothing.

use std::{fmt, sync::Arc, time::Duration};

use crate::machine::{Ending, Judgement, Outcome, Settled, Timestamp, View};

/// A breaker as it was at one moment. Taking it decides nothing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The breaker's name.
    pub name: Arc<str>,
    /// What it decides by, and what it has decided: state, share, mode, counts.
    pub view: View,
    /// What it has seen since it was made.
    pub totals: Totals,
    /// Calls to the primary that have been started and haven't ended.
    pub in_flight: u64,
    /// The last error of the primary that was [noted](crate::Permit::note_error). `http::ByStatus`
    /// and [`ShowErrors`](crate::ShowErrors) note errors.
    pub last_error: Option<LastError>,
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
    /// Calls from before the last trip or manual change: they changed nothing.
    pub stale: u64,
    /// Total latency of the timed calls. Reading the clock dominates the cost of a call, so where
    /// `slow_after` is [`Never`](crate::SlowAfter::Never), only one good call in 64 is timed. Of
    /// the calls that go to the backup while the breaker is open, one a millisecond and processor
    /// is timed.
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

    pub(super) fn note(&mut self, settled: Settled, ending: Ending) {
        match settled {
            Settled::Counted(judgement) => self.note_judged(judgement, ending),
            Settled::Ignored => self.ignored += 1,
            Settled::Cancelled | Settled::Unused => self.cancelled += 1,
            Settled::Stale => self.stale += 1,
            Settled::Unrecorded => {}
        }
    }

    fn note_judged(&mut self, judgement: Judgement, ending: Ending) {
        self.slow += u64::from(judgement.slow);
        match ending {
            Ending::Cancelled => self.cancelled += 1,
            _ if judgement.failed => self.failed += 1,
            _ => self.succeeded += 1,
        }
    }

    /// Counts only the end of a call: one to the backup, or one that was counted as slow before it
    /// ended.
    pub(super) fn note_end(&mut self, ending: Ending) {
        match ending {
            Ending::Finished(Outcome::Success) => self.succeeded += 1,
            Ending::Finished(Outcome::Failure) => self.failed += 1,
            Ending::Finished(Outcome::Ignored) => self.ignored += 1,
            Ending::Cancelled | Ending::Unused => self.cancelled += 1,
        }
    }

    pub(super) fn note_latency(&mut self, latency: Option<Duration>, ending: Ending) {
        if let (Some(latency), Ending::Finished(_)) = (latency, ending) {
            self.latency = self.latency.saturating_add(latency);
            self.timed += 1;
        }
    }
}

impl LastError {
    pub(super) fn new(error: &dyn fmt::Display, at: Timestamp) -> Self {
        const LONGEST: usize = 200;
        let mut text = error.to_string();
        let end = (0..=LONGEST.min(text.len())).rfind(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        Self { text: text.into(), at }
    }
}
