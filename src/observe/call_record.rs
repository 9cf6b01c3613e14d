//! What an observer of calls receives: how each call ended, and when.
//!
//! A [`Stamp`] orders the records of one breaker, even where several threads share a reading of its
//! clock. The breaker makes records only where an [observer](super::Observer::observes_calls) asks
//! for calls.

use std::{sync::Arc, time::Duration};

use crate::machine::{Completion, Timestamp};

/// A record of one call to the primary: see
/// [`Observer::on_call`](crate::observe::Observer::on_call).
///
/// A call to the backup has a [`BackupRecord`] instead. Where the primary's `poll_ready` fails and
/// no call is to blame, the breaker records a failure that took no time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRecord {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// How the call ended.
    pub completion: Completion,
    /// When the breaker admitted or refused the call.
    pub admitted: Stamp,
    /// When the primary was called: later than `admitted` if the call waited for the primary's
    /// readiness. `None` if the primary was never called.
    pub started: Option<Stamp>,
    /// When the primary answered, if the call went on after that, as a response's body does.
    pub answered: Option<Stamp>,
    /// When the call ended.
    pub ended: Stamp,
}

impl CallRecord {
    /// Returns how long the primary took to answer. If it never did, returns how long the call took
    /// to end.
    #[must_use]
    pub fn latency(&self) -> Duration {
        let end = self.answered.unwrap_or(self.ended);
        end.at.since(self.started.unwrap_or(self.admitted).at)
    }
}

/// A record of one call to the backup: see
/// [`Observer::on_backup_call`](crate::observe::Observer::on_backup_call).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupRecord {
    /// The name of the breaker that sent the call to the backup.
    pub breaker: Arc<str>,
    /// How the call ended.
    pub completion: Completion,
    /// How long the call took, including the wait for the backup's readiness.
    pub latency: Duration,
}

/// A time by the breaker's clock, with a number that orders what happened at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stamp {
    /// The reading of the breaker's clock. Threads that act together may share one, or be slightly
    /// out of order.
    pub at: Timestamp,
    /// The number of the breaker's step: steps are numbered in the order in which the breaker took
    /// them.
    pub step: u64,
}

/// A record of an evaluation between the starts and ends of calls that found something: see
/// [`Observer::on_evaluation`](crate::observe::Observer::on_evaluation).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evaluation {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// When the breaker evaluated.
    pub stamp: Stamp,
}
