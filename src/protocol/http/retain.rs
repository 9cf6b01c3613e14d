//! Retains HTTP requests for failing over: which may be sent twice, and what is kept of them.
//!
//! The service retains a request before it calls the primary. If the call fails, it asks for the
//! request once more, and sends it to the backup.

use std::fmt;

use bytes::Bytes;
use http::{Request, request::Parts};
use http_body::Body;

use super::retained_body::RetainedBody;
use crate::on_open::RetainRequest;

/// A way to retain HTTP requests, so that requests that fail on the primary can go to the backup.
///
/// Give it to
/// [`CircuitBreakerLayerBuilder::fail_over`](crate::layer::CircuitBreakerLayerBuilder::fail_over).
///
/// A request may be sent twice if its method is idempotent (RFC 9110, 9.2.2), or if the primary's
/// error says that nothing of the request was sent ([`unsent`](Self::unsent)).
///
/// Its body is buffered while the primary reads it, up to a [`cap`](Self::cap). A body that is
/// known to be larger is never buffered. In two cases the request isn't sent twice, and the caller
/// gets the primary's answer: its body turns out to be larger, or the primary has read a part of it
/// and still holds it.
///
/// ```
/// use axum::body::Body;
/// use tower_breaker::{
///     CircuitBreakerLayer,
///     on_open::FailOverBudget,
///     protocol::http::{ByStatus, RetainRequests},
/// };
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// # let backup = tower::service_fn(|_: http::Request<Body>| async {
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(Body::empty()))
/// # });
/// let layer = CircuitBreakerLayer::builder()
///     .classify(ByStatus::new())
///     .backup(backup)
///     .fail_over(RetainRequests::new(Body::new), FailOverBudget::percent(10))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RetainRequests<F, U = ()> {
    rebuild: F,
    cap: u64,
    unsent: U,
}

impl<F> RetainRequests<F> {
    /// Returns a way to retain requests whose bodies `rebuild` makes: `axum::body::Body::new`, or
    /// `|body| body.boxed()`.
    pub fn new<B>(rebuild: F) -> Self
    where
        F: Fn(RetainedBody<B>) -> B + Clone,
    {
        Self {
            rebuild,
            cap: 64 * 1024,
            unsent: (),
        }
    }
}

impl<F, U> RetainRequests<F, U> {
    /// Sets how many bytes of a body are buffered at most. Default: 64 KiB.
    #[must_use]
    pub fn cap(self, bytes: u64) -> Self {
        Self { cap: bytes, ..self }
    }

    /// Sets a function that detects errors from before any byte of the request was sent.
    ///
    /// Such a request may be sent again whatever its method, as long as its body is untouched. For
    /// hyper-util's client: `|error: &Error| error.is_connect()`.
    #[must_use]
    pub fn unsent<Err, G>(self, unsent: G) -> RetainRequests<F, G>
    where
        G: Fn(&Err) -> bool + Clone,
    {
        RetainRequests {
            rebuild: self.rebuild,
            cap: self.cap,
            unsent,
        }
    }
}

/// A detector of errors from before any byte of the request was sent.
///
/// Closures `Fn(&Err) -> bool` detect such errors; `()` detects none. See
/// [`RetainRequests::unsent`].
pub trait DetectUnsent<Err>: Clone {
    /// Whether any error is detected at all.
    const ENABLED: bool;

    /// Returns whether the error came before any byte of the request was sent.
    fn is_unsent(&self, error: &Err) -> bool;
}

impl<Err> DetectUnsent<Err> for () {
    const ENABLED: bool = false;

    fn is_unsent(&self, _: &Err) -> bool {
        false
    }
}

impl<Err, G: Fn(&Err) -> bool + Clone> DetectUnsent<Err> for G {
    const ENABLED: bool = true;

    fn is_unsent(&self, error: &Err) -> bool {
        self(error)
    }
}

impl<B, F, U, Res, Err> RetainRequest<Request<B>, Res, Err> for RetainRequests<F, U>
where
    B: Body<Data = Bytes>,
    F: Fn(RetainedBody<B>) -> B + Clone,
    U: DetectUnsent<Err>,
{
    type Retained = RetainedRequest<B, F, U>;

    fn retain(&self, request: Request<B>) -> (Request<B>, Option<Self::Retained>) {
        let size = request.body().size_hint();
        let fits = size.lower() <= self.cap && size.upper().is_none_or(|most| most <= self.cap);
        let idempotent = request.method().is_idempotent();
        if !(idempotent && fits || U::ENABLED) {
            return (request, None);
        }
        let (parts, body) = request.into_parts();
        // If only an untouched body may be sent again, buffering it is of no use.
        let cap = if idempotent && fits { self.cap } else { 0 };
        let body = RetainedBody::new(body, cap);
        let retained = RetainedRequest {
            parts: parts.clone(),
            body: body.restart(),
            idempotent,
            rebuild: self.rebuild.clone(),
            unsent: self.unsent.clone(),
        };
        (Request::from_parts(parts, (self.rebuild)(body)), Some(retained))
    }

    fn restore(kept: Self::Retained, failure: Result<&Res, &Err>) -> Option<Request<B>> {
        let unsent = failure.err().is_some_and(|error| kept.unsent.is_unsent(error));
        let again = kept.body.is_untouched() && (kept.idempotent || unsent) || kept.idempotent && kept.body.is_whole();
        again.then(|| Request::from_parts(kept.parts, (kept.rebuild)(kept.body)))
    }
}

impl<F, U> fmt::Debug for RetainRequests<F, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetainRequests")
            .field("cap", &self.cap)
            .finish_non_exhaustive()
    }
}

/// A request that is retained to be sent once more.
pub struct RetainedRequest<B, F, U> {
    parts: Parts,
    body: RetainedBody<B>,
    idempotent: bool,
    rebuild: F,
    unsent: U,
}

impl<B, F, U> fmt::Debug for RetainedRequest<B, F, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetainedRequest")
            .field("method", &self.parts.method)
            .finish_non_exhaustive()
    }
}
