//! What happens to a call that the primary may not have.

mod backup;
mod fail_over;
mod reject;
mod respond;
mod wait;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

pub use self::{
    backup::{Backup, BackupFuture},
    fail_over::{CloneRequests, FailOver, FailOverBudget, Kept, RetainRequest},
    reject::{Reject, RejectFuture},
    respond::{Answer, Respond, RespondFuture},
    wait::Wait,
};
use crate::error::CircuitOpen;

/// What happens to a call that the primary may not have. Sealed: [`Reject`], [`Backup`], [`FailOver`],
/// [`Respond`] and [`Wait`].
pub trait OnOpen<Req, Res, Err>: Sealed {
    // Not `: Future<Output = …>`: a bound that names two boxed errors makes coroutines lose `Send`.
    #[doc(hidden)]
    type Future;

    /// What is kept of a request, so that it can be sent once more.
    #[doc(hidden)]
    type Kept;

    /// Whether somebody else answers, so that the primary's readiness errors are nobody's.
    #[doc(hidden)]
    const DIVERTS: bool = false;

    /// Whether that is a service, whose calls are counted.
    #[doc(hidden)]
    const HAS_BACKUP: bool = false;

    #[doc(hidden)]
    const WAITS: bool = false;

    #[doc(hidden)]
    fn refuse(&self, request: Req, open: impl FnOnce() -> CircuitOpen) -> Self::Future;

    #[doc(hidden)]
    fn poll(future: Pin<&mut Self::Future>, cx: &mut Context<'_>) -> Poll<Result<Res, Err>>;

    #[doc(hidden)]
    fn keep(&self, request: Req) -> (Req, Option<Self::Kept>) {
        (request, None)
    }

    /// A call to the primary failed: sends what was kept elsewhere, where it may be.
    #[doc(hidden)]
    fn fail_over(kept: Self::Kept, failure: Result<&Res, &Err>) -> Option<Self::Future> {
        let _ = (kept, failure);
        None
    }
}

pub(crate) mod sealed {
    /// Keeps the choice to what this crate offers.
    pub trait Sealed {}
}

use sealed::Sealed;
