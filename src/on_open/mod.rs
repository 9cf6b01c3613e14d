//! What a breaker does with a call that the primary must not have: it *diverts* the call to a backup
//! or to a response of your own, *rejects* it with an error, or *waits*.
//!
//! | with | a refused call | the builder's method |
//! |---|---|---|
//! | [`Reject`] | ends in a [`CircuitOpen`] error (the default) | [`reject`](crate::layer::CircuitBreakerLayerBuilder::reject) |
//! | [`Backup`] | goes to another service | [`backup`](crate::layer::CircuitBreakerLayerBuilder::backup) |
//! | [`FailOver`] | goes to another service, and so does a call that failed | [`fail_over`](crate::layer::CircuitBreakerLayerBuilder::fail_over) |
//! | [`Respond`] | gets a response that is made on the spot | [`respond`](crate::layer::CircuitBreakerLayerBuilder::respond) |
//! | [`Wait`] | isn't made: `poll_ready` is pending | [`wait`](crate::layer::CircuitBreakerLayerBuilder::wait) |
//!
//! [`CircuitBreaker`](crate::CircuitBreaker) picks by the type: the compiler checks that the choice
//! fits the service, see [`OnOpen`].

pub(crate) mod backup;
pub(crate) mod fail_over;
pub(crate) mod reject;
pub(crate) mod respond;
mod wait;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use self::sealed::Sealed;
pub use self::{
    backup::Backup,
    fail_over::{CloneRequests, FailOver, FailOverBudget, RetainRequest},
    reject::Reject,
    respond::{Answer, Respond},
    wait::Wait,
};
use crate::error::CircuitOpen;

/// A choice of what to do with calls that the primary must not have: [`Reject`], [`Backup`],
/// [`FailOver`], [`Respond`] or [`Wait`]. It is sealed.
///
/// `Res` and `Err` are the primary's response and error. The choice has to fit them.
#[diagnostic::on_unimplemented(
    message = "the circuit breaker has no answer for calls that it refuses",
    label = "`{Self}` makes neither a response `{Res}` nor an error `{Err}`",
    note = "give this layer a `.backup(service)` with the response `{Res}` and the error `{Err}`, or a \
            `.respond(closure)` that makes such a response,",
    note = "or an error that is `From<CircuitOpen>`: with `tower::BoxError`, put `.map_err(BoxError::from)` below the \
            layer"
)]
pub trait OnOpen<Req, Res, Err>: Sealed {
    // Not `: Future<Output = …>`: a bound that names two boxed errors makes coroutines lose `Send`.
    #[doc(hidden)]
    type Future;

    /// What is retained of a request, so that it can be sent once more.
    #[doc(hidden)]
    type Retained;

    /// Whether refused calls get a response, so that no caller has to see the primary's readiness
    /// errors.
    #[doc(hidden)]
    const DIVERTS: bool = false;

    /// Whether that response comes from a service, whose calls are counted.
    #[doc(hidden)]
    const HAS_BACKUP: bool = false;

    /// Whether `poll_ready` is pending while the primary must not have calls.
    #[doc(hidden)]
    const WAITS: bool = false;

    /// Begins to answer a call that the breaker refuses. `open` is called only where the answer
    /// mentions it.
    #[doc(hidden)]
    fn refuse(&self, request: Req, open: impl FnOnce() -> CircuitOpen) -> Self::Future;

    /// Polls a future that [`refuse`](Self::refuse) or [`fail_over`](Self::fail_over) made.
    #[doc(hidden)]
    fn poll(future: Pin<&mut Self::Future>, cx: &mut Context<'_>) -> Poll<Result<Res, Err>>;

    /// Returns the request for the primary, and what is retained of it.
    #[doc(hidden)]
    fn retain(&self, request: Req) -> (Req, Option<Self::Retained>) {
        (request, None)
    }

    /// Sends what was retained to the backup after the primary failed, where the budget and the
    /// failure allow it.
    #[doc(hidden)]
    fn fail_over(retained: Self::Retained, failure: Result<&Res, &Err>) -> Option<Self::Future> {
        let _ = (retained, failure);
        None
    }
}

pub(crate) mod sealed {
    /// Restricts [`OnOpen`](super::OnOpen) to the types of this crate.
    pub trait Sealed {}
}
