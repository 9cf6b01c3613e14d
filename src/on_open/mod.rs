//! What a breaker does with a call that the primary must not have.
//!
//! - [`Reject`], the default: the call ends in a [`CircuitOpen`] error.
//! - [`Backup`]: the call goes to another service.
//! - [`FailOver`]: the call goes to another service, and so does one that failed on the primary.
//! - [`Respond`]: the call gets a response that is made on the spot.
//! - [`Wait`]: no call is made, since `poll_ready` is pending.
//!
//! The builder's methods [`reject`], [`backup`], [`fail_over`], [`respond`] and [`wait`] choose
//! one. `layer::service` and `layer::future` act by it, through [`OnOpen`].
//!
//! # When the compiler says that it isn't a `Service`
//!
//! The compiler checks that the choice fits the service. This is what it says where something
//! doesn't fit, why, and what to do. A test holds each message.
//!
//! - ``the circuit breaker has no answer for calls that it refuses``: the error isn't
//!   `From<CircuitOpen>`. Give the layer a `.backup` or a `.respond`, or put
//!   `.map_err(BoxError::from)` below it.
//! - ``to be a future that resolves to `Result<…>`, but it resolves to `Result<…>` ``: the backup,
//!   an `async` closure, has another response or error than the primary. Convert them there.
//! - ``type mismatch resolving `<… as Service<…>>::Response == …` ``: so has a backup of another
//!   type. Convert them with `.map_response(…)` or `.map_err(…)`.
//! - ``…: Clone` is not satisfied``: the primary isn't `Clone`. Put a `tower::buffer::Buffer`
//!   around it.
//! - ``type mismatch in closure arguments``: the classifier takes something other than
//!   `Result<&Response, &Error>`. Write its signature as the note says.
//! - ``does not classify calls with the response `…` and the error `…` ``: the classifier isn't one
//!   for this service. Choose another, or implement [`Classify`](crate::classify::Classify).
//! - ``does not respond to a request `…` with a `…` ``: the closure of `.respond` takes or returns
//!   something else. Write its signature as the note says.
//! - ``does not retain requests of the type `…` ``: the request isn't `Clone`. Fail over with
//!   another [`RetainRequest`].
//! - ``exists for struct `CircuitBreaker<…>`, but its trait bounds were not satisfied``: one of
//!   these. The compiler doesn't say which, where a method is called on the service. Pass the
//!   service to a function that wants one, and it does: `fn is_service(_: impl
//!   tower::Service<Request>) {}`.
//!
//! [`reject`]: crate::layer::CircuitBreakerLayerBuilder::reject
//! [`backup`]: crate::layer::CircuitBreakerLayerBuilder::backup
//! [`fail_over`]: crate::layer::CircuitBreakerLayerBuilder::fail_over
//! [`respond`]: crate::layer::CircuitBreakerLayerBuilder::respond
//! [`wait`]: crate::layer::CircuitBreakerLayerBuilder::wait

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
