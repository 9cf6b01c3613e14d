//! The services that breakers are put around: ready at once, and as cheap as a service can be.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use tower::Service;

/// What a call is asked to do at the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Succeed,
    Fail,
    /// Never to end, at a primary that can: [`Holding`].
    Hang,
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Primary,
    Backup,
}

/// Why there is no answer. A breaker's own error is dropped for it: what a caller makes of that is the caller's cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    AtPrimary,
    Rejected,
}

/// A service to protect.
pub trait Primary:
    Service<Request, Response = Answer, Error = Failed, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

impl<S> Primary for S where
    S: Service<Request, Response = Answer, Error = Failed, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

/// Answers at once.
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

/// Answers at once what it may not leave to the primary.
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

/// Answers at once, or never.
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

/// [`Holding`]'s future.
#[derive(Debug)]
pub struct Held(Option<Result<Answer, Failed>>);

impl Future for Held {
    type Output = Result<Answer, Failed>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.map_or(Poll::Pending, Poll::Ready)
    }
}
