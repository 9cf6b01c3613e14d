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

/// Where a request can go, and has been.
#[derive(Clone)]
pub(crate) struct Journey {
    service: Arc<table::Service>,
    tried: Vec<Arc<Instance>>,
}

impl Journey {
    pub(crate) fn to(service: Arc<table::Service>) -> Self {
        Self {
            service,
            tried: Vec::new(),
        }
    }

    /// The next instance: of two at random that has fewer requests in flight; of the backup service, where this one's have all been tried.
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

    fn is_over(&self) -> bool {
        self.clone().next().is_none()
    }
}

/// The way to whatever has not been tried: another instance, or the backup. Each instance's breaker has it as its backup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elsewhere;

impl Service<Request<Body>> for Elsewhere {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        let journey = request.extensions_mut().remove::<Journey>();
        let Some((instance, journey)) = journey.and_then(Journey::next) else {
            return Box::pin(async { Ok(nobody()) });
        };
        request.extensions_mut().insert(journey);
        instance.send(request)
    }
}

fn nobody() -> Response<Body> {
    let mut response = answers::plain(StatusCode::SERVICE_UNAVAILABLE, "nobody can answer this just now");
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Retains a request like [`RetainRequests`], but only if there is another instance to send it to.
#[derive(Clone)]
pub(crate) struct RetainElsewhere(Retain);

type Retain = RetainRequests<fn(RetainedBody<Body>) -> Body, fn(&BoxError) -> bool>;

impl RetainElsewhere {
    pub(crate) fn new() -> Self {
        let rebuild: fn(RetainedBody<Body>) -> Body = |body| body.boxed_unsync();
        let unsent: fn(&BoxError) -> bool = is_unsent;
        Self(RetainRequests::new(rebuild).unsent(unsent))
    }
}

impl RetainRequest<Request<Body>, Response<Body>, BoxError> for RetainElsewhere {
    type Retained = <Retain as RetainRequest<Request<Body>, Response<Body>, BoxError>>::Retained;

    fn retain(&self, request: Request<Body>) -> (Request<Body>, Option<Self::Retained>) {
        let journey = request.extensions().get::<Journey>();
        if journey.is_none_or(Journey::is_over) {
            // Its caller gets whatever this instance answers.
            return (request, None);
        }
        RetainRequest::<_, Response<Body>, BoxError>::retain(&self.0, request)
    }

    fn restore(retained: Self::Retained, failure: Result<&Response<Body>, &BoxError>) -> Option<Request<Body>> {
        Retain::restore(retained, failure)
    }
}

impl fmt::Debug for RetainElsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetainElsewhere")
    }
}

/// Two different places of so many, or the only one twice.
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
