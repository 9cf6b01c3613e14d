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

/// Refused calls get an answer that is made on the spot: see [`CircuitBreakerLayerBuilder::respond`](crate::layer::CircuitBreakerLayerBuilder::respond).
#[derive(Clone, Copy)]
pub struct Respond<R> {
    answer: R,
}

/// Makes the answer to a refused call. A closure `Fn(Request, CircuitOpen) -> Response` will do.
pub trait Answer<Req, Res> {
    /// The answer to this request.
    fn answer(&self, request: Req, open: CircuitOpen) -> Res;
}

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
    type Kept = Infallible;

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

/// The future of a call that is answered on the spot.
pub struct RespondFuture<Res> {
    answer: Option<Res>,
}

// The answer is never pinned: it is moved out when it is asked for.
impl<Res> Unpin for RespondFuture<Res> {}

impl<Res> fmt::Debug for RespondFuture<Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RespondFuture").finish_non_exhaustive()
    }
}
