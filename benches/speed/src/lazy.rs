//! A call to the primary as a future, for breakers that protect futures instead of services.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::primary::{Primary, Request};

pin_project! {
    /// A call that begins when it is first polled. A breaker that rejects the future never calls
    /// the primary.
    #[project = LazyProj]
    pub(crate) enum Lazy<P: Primary> {
        NotYet { primary: P, request: Request },
        Called { #[pin] future: P::Future },
    }
}

impl<P: Primary> Lazy<P> {
    pub(crate) fn new(primary: &P, request: Request) -> Self {
        Self::NotYet {
            primary: primary.clone(),
            request,
        }
    }
}

impl<P: Primary> Future for Lazy<P> {
    type Output = Result<P::Response, P::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let future = match self.as_mut().project() {
                LazyProj::NotYet { primary, request } => primary.call(*request),
                LazyProj::Called { future } => return future.poll(cx),
            };
            self.set(Self::Called { future });
        }
    }
}
