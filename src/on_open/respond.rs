//! [`Respond`]: a refused call gets a response that is made on the spot.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    error::CircuitOpen,
    on_open::{OnOpen, sealed::Sealed},
};

/// A choice by which refused calls get a response that `R` makes on the spot: see
/// [`CircuitBreakerLayerBuilder::respond`](crate::layer::CircuitBreakerLayerBuilder::respond).
#[derive(Clone, Copy)]
pub struct Respond<R> {
    answer: R,
}

/// A maker of responses to refused calls. A closure `Fn(Request, CircuitOpen) -> Response` is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not respond to a request `{Req}` with a `{Res}`",
    note = "`.respond` takes a closure `|request: {Req}, open: CircuitOpen|` that returns a `{Res}`"
)]
pub trait Answer<Req, Res> {
    /// Returns the response to this request. `open` says which breaker refused it, and for how
    /// long.
    fn answer(&self, request: Req, open: CircuitOpen) -> Res;
}

// Makes the compiler report the message of the trait, not a bound of this impl.
#[diagnostic::do_not_recommend]
impl<F, Req, Res> Answer<Req, Res> for F
where
    F: Fn(Req, CircuitOpen) -> Res,
{
    fn answer(&self, request: Req, open: CircuitOpen) -> Res {
        self(request, open)
    }
}

impl<R> Respond<R> {
    pub(crate) fn new(answer: R) -> Self {
        Self { answer }
    }
}

impl<R> Sealed for Respond<R> {}

impl<Req, Res, Err, R> OnOpen<Req, Res, Err> for Respond<R>
where
    R: Answer<Req, Res>,
{
    type Future = RespondFuture<Res>;
    type Retained = Infallible;

    const DIVERTS: bool = true;

    fn refuse(&self, request: Req, open: impl FnOnce() -> CircuitOpen) -> RespondFuture<Res> {
        RespondFuture {
            answer: Some(self.answer.answer(request, open())),
        }
    }

    fn poll(future: Pin<&mut RespondFuture<Res>>, _: &mut Context<'_>) -> Poll<Result<Res, Err>> {
        Poll::Ready(Ok(future.get_mut().answer.take().expect("polled after it was ready")))
    }
}

impl<R> fmt::Debug for Respond<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Respond").finish_non_exhaustive()
    }
}

/// A call that has its response, as [`ResponseFuture`](crate::future::ResponseFuture) holds it.
pub struct RespondFuture<Res> {
    answer: Option<Res>,
}

// The response is never pinned: `poll` moves it out.
impl<Res> Unpin for RespondFuture<Res> {}

impl<Res> fmt::Debug for RespondFuture<Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RespondFuture").finish_non_exhaustive()
    }
}
