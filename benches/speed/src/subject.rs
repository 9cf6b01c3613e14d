//! What is measured: a breaker in some state around a primary, behind one trait.

use std::{
    hint::black_box,
    mem::size_of,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tower::Service;

use crate::primary::{Answer, Failed, Request};

/// A breaker in some state around a primary, ready to be called.
pub trait Subject: Send {
    /// Makes this many calls, rounded down to tens. Each call is made, polled to its end and
    /// dropped.
    fn run(&mut self, calls: u64);

    /// Makes one call and returns its result.
    ///
    /// # Panics
    ///
    /// Panics if the call is still pending after one poll.
    fn call(&mut self, request: Request) -> Result<Answer, Failed>;

    /// Starts a call and leaves it in flight for as long as the subject lives.
    fn hold(&mut self);

    /// Returns another handle to the same breaker.
    fn sharing(&self) -> Box<dyn Subject>;

    fn sizes(&self) -> Sizes;
}

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub service: usize,
    pub future: usize,
}

/// Calls come in tens, so that one of ten can fail without a test per call in the measured loop.
pub const TEN: u64 = 10;

pub(crate) struct Driven<S: Service<Request>> {
    service: S,
    /// What the first of ten calls asks for. The others succeed.
    first_of_ten: Request,
    in_flight: Vec<Pin<Box<S::Future>>>,
}

impl<S: Service<Request>> Driven<S> {
    pub(crate) fn new(service: S) -> Self {
        Self {
            service,
            first_of_ten: Request::Succeed,
            in_flight: Vec::new(),
        }
    }

    pub(crate) fn first_of_ten(self, request: Request) -> Self {
        Self {
            first_of_ten: request,
            ..self
        }
    }

    pub(crate) fn service(&self) -> &S {
        &self.service
    }
}

#[inline(always)]
fn call<S>(service: &mut S, request: Request) -> Poll<Result<S::Response, S::Error>>
where
    S: Service<Request>,
{
    let cx = &mut Context::from_waker(Waker::noop());
    match service.poll_ready(cx) {
        Poll::Ready(Ok(())) => {
            // The optimizer has to put service and future into memory after each step, as if a
            // caller held them.
            let mut future = pin!(black_box(&mut *service).call(black_box(request)));
            black_box(future.as_mut()).poll(cx)
        }
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => Poll::Pending,
    }
}

impl<S> Subject for Driven<S>
where
    S: Service<Request, Response = Answer, Error: Into<Failed>, Future: Send + 'static> + Clone + Send + 'static,
{
    fn run(&mut self, calls: u64) {
        for _ in 0..calls / TEN {
            let _ = black_box(call(&mut self.service, self.first_of_ten));
            for _ in 1..TEN {
                let _ = black_box(call(&mut self.service, Request::Succeed));
            }
        }
    }

    fn call(&mut self, request: Request) -> Result<Answer, Failed> {
        match call(&mut self.service, request) {
            Poll::Ready(result) => result.map_err(Into::into),
            Poll::Pending => panic!("the primary and its backup are ready at once"),
        }
    }

    fn hold(&mut self) {
        let cx = &mut Context::from_waker(Waker::noop());
        let ready = self.service.poll_ready(cx).is_ready();
        assert!(ready, "the primary is always ready");
        let mut future = Box::pin(self.service.call(Request::Hang));
        assert!(future.as_mut().poll(cx).is_pending(), "it hangs");
        self.in_flight.push(future);
    }

    fn sharing(&self) -> Box<dyn Subject> {
        Box::new(Self::new(self.service.clone()).first_of_ten(self.first_of_ten))
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            service: size_of::<S>(),
            future: size_of::<S::Future>(),
        }
    }
}
