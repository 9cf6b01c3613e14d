//! Failing over: how a request finds its next instance, or the backup service.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;
use tower::{BoxError, Service};
use tower_breaker::{
    on_open::RetainRequest,
    protocol::http::{RetainRequests, RetainedBody},
};

use crate::{
    answers,
    instance::{Instance, is_unsent},
    table,
    upstream::{Answer, Body},
};

/// The instances that a request may still go to, and those that it has tried.
#[derive(Clone)]
pub(crate) struct Attempts {
    service: Arc<table::Service>,
    tried: Vec<Arc<Instance>>,
}

impl Attempts {
    pub(crate) fn at(service: Arc<table::Service>) -> Self {
        Self {
            service,
            tried: Vec::new(),
        }
    }

    /// Picks the next instance: of two random ones, the one with fewer requests in flight. Goes on
    /// to the backup service when all instances of this one have been tried.
    fn next(mut self) -> Option<(Arc<Instance>, Self)> {
        loop {
            let left = |instance: &&Arc<Instance>| !self.tried.iter().any(|tried| Arc::ptr_eq(tried, instance));
            let left: Vec<&Arc<Instance>> = self.service.instances.iter().filter(left).collect();
            if !left.is_empty() {
                let (first, second) = two_of(left.len());
                let (first, second) = (left[first], left[second]);
                let next = if second.in_flight() < first.in_flight() {
                    second
                } else {
                    first
                };
                let next = next.clone();
                self.tried.push(next.clone());
                return Some((next, self));
            }
            self.service = self.service.backup.clone()?;
        }
    }

    fn is_exhausted(&self) -> bool {
        self.clone().next().is_none()
    }
}

/// A service that sends a request to an instance that it hasn't tried. Each instance's breaker has
/// it as the backup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NextInstance;

impl Service<Request<Body>> for NextInstance {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        let attempts = request.extensions_mut().remove::<Attempts>();
        let Some((instance, attempts)) = attempts.and_then(Attempts::next) else {
            return Box::pin(async { Ok(no_instance()) });
        };
        request.extensions_mut().insert(attempts);
        instance.send(request)
    }
}

fn no_instance() -> Response<Body> {
    let mut response = answers::plain(StatusCode::SERVICE_UNAVAILABLE, "no instance can answer now");
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Retains requests like [`RetainRequests`], but only if there is another instance to try.
#[derive(Clone)]
pub(crate) struct RetainForNextInstance(Retain);

type Retain = RetainRequests<fn(RetainedBody<Body>) -> Body, fn(&BoxError) -> bool>;

impl RetainForNextInstance {
    pub(crate) fn new() -> Self {
        let rebuild: fn(RetainedBody<Body>) -> Body = |body| body.boxed_unsync();
        let unsent: fn(&BoxError) -> bool = is_unsent;
        Self(RetainRequests::new(rebuild).unsent(unsent))
    }
}

impl RetainRequest<Request<Body>, Response<Body>, BoxError> for RetainForNextInstance {
    type Retained = <Retain as RetainRequest<Request<Body>, Response<Body>, BoxError>>::Retained;

    fn retain(&self, request: Request<Body>) -> (Request<Body>, Option<Self::Retained>) {
        let attempts = request.extensions().get::<Attempts>();
        if attempts.is_none_or(Attempts::is_exhausted) {
            // The caller gets this instance's answer, whatever it is.
            return (request, None);
        }
        RetainRequest::<_, Response<Body>, BoxError>::retain(&self.0, request)
    }

    fn restore(retained: Self::Retained, failure: Result<&Response<Body>, &BoxError>) -> Option<Request<Body>> {
        Retain::restore(retained, failure)
    }
}

impl fmt::Debug for RetainForNextInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetainForNextInstance")
    }
}

/// Returns two different indices at random, or the only one twice.
fn two_of(count: usize) -> (usize, usize) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Weyl's sequence, mixed (SplitMix64).
    let mut z = NEXT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    let first = (z >> 32) as usize % count;
    let others = count.saturating_sub(1).max(1);
    let step = 1 + (z as u32 as usize) % others;
    (first, (first + step) % count)
}
