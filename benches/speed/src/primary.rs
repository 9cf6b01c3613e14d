//! The services that breakers are put around: ready at once, and as cheap as a service can be.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use tower::Service;

/// What the primary is asked to do with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Succeed,
    Fail,
    /// Never end. Only [`Holding`] can do that; the others fail.
    Hang,
}

/// The service that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Primary,
    Backup,
}

/// Why there is no answer. The breaker's own error is dropped: what a caller makes of it is the
/// caller's cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    AtPrimary,
    Rejected,
}

/// A service that a breaker protects.
pub trait Primary:
    Service<Request, Response = Answer, Error = Failed, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

impl<S> Primary for S where
    S: Service<Request, Response = Answer, Error = Failed, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

/// A primary that answers at once.
#[derive(Clone, Copy, Debug)]
pub struct Steady;

impl Service<Request> for Steady {
    type Response = Answer;
    type Error = Failed;
    type Future = Ready<Result<Answer, Failed>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        ready(match request {
            Request::Succeed => Ok(Answer::Primary),
            Request::Fail | Request::Hang => Err(Failed::AtPrimary),
        })
    }
}

/// A backup that answers at once.
#[derive(Clone, Copy, Debug)]
pub struct Backup;

impl Service<Request> for Backup {
    type Response = Answer;
    type Error = Failed;
    type Future = Ready<Result<Answer, Failed>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request) -> Self::Future {
        ready(Ok(Answer::Backup))
    }
}

/// A primary that answers at once, or never if it is asked to hang.
#[derive(Clone, Copy, Debug)]
pub struct Holding;

impl Service<Request> for Holding {
    type Response = Answer;
    type Error = Failed;
    type Future = Held;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Held {
        Held(match request {
            Request::Succeed => Some(Ok(Answer::Primary)),
            Request::Fail => Some(Err(Failed::AtPrimary)),
            Request::Hang => None,
        })
    }
}

/// The future of [`Holding`].
#[derive(Debug)]
pub struct Held(Option<Result<Answer, Failed>>);

impl Future for Held {
    type Output = Result<Answer, Failed>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.map_or(Poll::Pending, Poll::Ready)
    }
}
