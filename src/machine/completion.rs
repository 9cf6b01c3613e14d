//! How a call ended, and what its end is worth: four types, from the classifier's word to the
//! machine's books.
//!
//! A classifier gives an [`Outcome`]. The driver reports a [`Completion`], which also covers calls
//! with nothing to classify. The machine makes an [`Assessment`] of those that count, and returns
//! [`Settled`], which says what became of the call's ticket.

/// A classifier's word on how a call ended.
///
/// It stays closed: every classifier and every adapter has to cover each outcome, and a fourth one
/// would change what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The answer was good (unless it took too long).
    Success,
    /// The primary failed.
    Failure,
    /// The end says nothing about the primary's health: the caller's own mistake, for example.
    Ignored,
}

/// A call's end: what the classifier said, or why there was nothing to classify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Completion {
    /// The classifier decided. A panic in the service is an [`Outcome::Failure`].
    Finished(Outcome),
    /// The caller gave up.
    Cancelled,
    /// The breaker admitted the call, and the primary was never called.
    Unused,
    /// The breaker refused the call.
    Refused,
}

impl Completion {
    pub(crate) const SUCCESS: Self = Self::Finished(Outcome::Success);
}

/// A setting that says how a call counts when its future is dropped early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelledCalls {
    /// Counts it as slow where it was past `slow_after`, or past 1.5 times the learned p99 (which
    /// at most 1 % of healthy calls are), and as nothing otherwise. So a timeout outside the layer
    /// doesn't blind the breaker. The p99 is learned, as
    /// [`SlowAfter::Learned`](super::SlowAfter::Learned) says, unless `slow_after` is
    /// [`Never`](super::SlowAfter::Never).
    #[default]
    SlowIfOverdue,
    /// Counts it as nothing. (A call still in flight past `slow_after` has counted as slow by
    /// then.)
    Ignore,
    /// Counts it as a failure.
    Failure,
}

/// A call as the policies count it: failed, slow, both, or good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Assessment {
    /// The primary failed.
    pub failed: bool,
    /// The call took longer than `slow_after`, or was given up when it had taken longer than most:
    /// see [`CancelledCalls::SlowIfOverdue`].
    pub slow: bool,
}

impl Assessment {
    pub(super) const GOOD: Self = Self {
        failed: false,
        slow: false,
    };
    pub(super) const SLOW: Self = Self {
        failed: false,
        slow: true,
    };

    /// Returns whether the call failed, was slow, or both.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        self.failed || self.slow
    }
}

/// A settled ticket's fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Settled {
    /// The call counted, as this.
    Counted(Assessment),
    /// The classifier said [`Outcome::Ignored`].
    Ignored,
    /// The caller gave up, and that counted as nothing.
    Cancelled,
    /// The primary was never called.
    Unused,
    /// The call was admitted before the last trip or manual change: its end changed nothing.
    Stale,
    /// The call was admitted while the breaker was [disabled](super::Mode::Disabled), which records
    /// nothing.
    Unrecorded,
}
