use std::{sync::Arc, time::Duration};

use crate::machine::{Completion, Timestamp};

/// What became of one call to the primary: see [`Observer::on_call`](crate::observe::Observer::on_call).
///
/// Calls to the backup have [another](BackupRecord). A primary whose `poll_ready` fails with no call to blame has one, of a failure that took no time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRecord {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// How it ended.
    pub outcome: Completion,
    /// When the breaker let it through, or refused it.
    pub admitted: Stamp,
    /// When the primary was called: later than it was admitted where it had to wait for the primary's readiness; `None` where it never was.
    pub started: Option<Stamp>,
    /// When its answer was in, where it went on after that.
    pub answered: Option<Stamp>,
    /// When it was over.
    pub ended: Stamp,
}

impl CallRecord {
    /// How long the primary took to answer; or, where it never did, how long it took to end.
    #[must_use]
    pub fn latency(&self) -> Duration {
        let end = self.answered.unwrap_or(self.ended);
        end.at.since(self.started.unwrap_or(self.admitted).at)
    }
}

/// What became of one call to the backup: see [`Observer::on_backup_call`](crate::observe::Observer::on_backup_call).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupRecord {
    /// The name of the breaker that sent it there.
    pub breaker: Arc<str>,
    /// How it ended.
    pub outcome: Completion,
    /// How long it took, the wait for the backup's readiness included.
    pub latency: Duration,
}

/// A point in a breaker's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// What the breaker's clock said.
    pub at: Timestamp,
    /// The breaker's steps in the order in which it took them: what several threads do may share a moment, or be a little out of time.
    pub step: u64,
}

/// Something was found with no call's doing: see [`Observer::on_evaluation`](crate::observe::Observer::on_evaluation).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evaluation {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// When.
    pub moment: Stamp,
}
