//! The floors: costs that a breaker can't go below. They are the call itself, an allocation, and
//! two clock reads.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;
use tower::Service;

use crate::{
    path::Path,
    primary::{Primary, Request},
    subject::{Driven, Subject},
};

/// Builds the bare call, which the other contestants are compared with, for each path.
pub(crate) fn bare<P: Primary>(path: Path, primary: P) -> Option<Box<dyn Subject>> {
    let driven = Driven::new(primary);
    Some(match path {
        Path::Errors => Box::new(driven.first_of_ten(Request::Fail)),
        Path::Closed
        | Path::SlowAfter
        | Path::Learned
        | Path::Rejecting
        | Path::Backup
        | Path::HalfOpen
        | Path::FastClock
        | Path::Keyed => Box::new(driven),
    })
}

/// Builds the bare call with a boxed future. It shows the cost of an allocation, including the
/// counting.
pub(crate) fn boxed<P: Primary>(path: Path, primary: P) -> Option<Box<dyn Subject>> {
    (path == Path::Closed).then(|| Box::new(Driven::new(Boxed(primary))) as _)
}

pub(crate) fn instant<P: Primary>(path: Path, primary: P) -> Option<Box<dyn Subject>> {
    timed(path, primary, Instant::now, |start| start.elapsed())
}

pub(crate) fn quanta<P: Primary>(path: Path, primary: P) -> Option<Box<dyn Subject>> {
    timed(path, primary, quanta::Instant::now, |start| start.elapsed())
}

fn timed<P: Primary, T: Copy + Send + 'static>(
    path: Path,
    primary: P,
    now: fn() -> T,
    since: fn(T) -> Duration,
) -> Option<Box<dyn Subject>> {
    let sums = Arc::default();
    let service = Timed {
        primary,
        now,
        since,
        sums,
    };
    (path == Path::SlowAfter).then(|| Box::new(Driven::new(service)) as _)
}

#[derive(Clone)]
struct Boxed<P>(P);

impl<P: Primary> Service<Request> for Boxed<P> {
    type Response = P::Response;
    type Error = P::Error;
    type Future = Pin<Box<P::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), P::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Box::pin(self.0.call(request))
    }
}

/// A service that times each call and adds the durations up.
#[derive(Clone)]
struct Timed<P, T> {
    primary: P,
    now: fn() -> T,
    since: fn(T) -> Duration,
    sums: Arc<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    calls: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Sums {
    fn record(&self, took: Duration) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl<P: Primary, T: Copy> Service<Request> for Timed<P, T> {
    type Response = P::Response;
    type Error = P::Error;
    type Future = TimedFuture<P::Future, T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), P::Error>> {
        self.primary.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let start = (self.now)();
        TimedFuture {
            start,
            since: self.since,
            sums: Arc::clone(&self.sums),
            future: self.primary.call(request),
        }
    }
}

pin_project! {
    struct TimedFuture<F, T> {
        start: T,
        since: fn(T) -> Duration,
        sums: Arc<Sums>,
        #[pin]
        future: F,
    }
}

impl<F: Future, T: Copy> Future for TimedFuture<F, T> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let output = ready!(this.future.poll(cx));
        this.sums.record((this.since)(*this.start));
        Poll::Ready(output)
    }
}
