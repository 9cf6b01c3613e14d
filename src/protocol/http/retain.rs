use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Request, request::Parts};
use http_body::{Body, Frame, SizeHint};

use crate::{lock::lock, on_open::RetainRequest};

/// Keeps HTTP requests, so that those that fail on the primary can go to the backup: see
/// [`CircuitBreakerLayerBuilder::fail_over`](crate::layer::CircuitBreakerLayerBuilder::fail_over).
///
/// A request may be sent twice where its method is idempotent (RFC 9110, 9.2.2), or where the primary's error says that nothing of it was
/// sent ([`unsent`](Self::unsent)). Its body is kept while the primary reads it, up to a [`cap`](Self::cap); a request whose body is
/// known to be larger is never buffered, and one that turns out to be is not sent twice: its caller gets the primary's
/// answer. So does the caller whose body the primary has read in part and still holds.
///
/// ```
/// use axum::body::Body;
/// use tower_breaker::{CircuitBreakerLayer, on_open::FailOverBudget, protocol::http::{ByStatus, RetainRequests}};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// # let backup = tower::service_fn(|_: http::Request<Body>| async { Ok::<_, std::convert::Infallible>(http::Response::new(Body::empty())) });
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
    /// `rebuild` makes a request's body of what was kept: `axum::body::Body::new`, or `|body| body.boxed()`.
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
    /// How many bytes of a body are kept at most. Default: 64 KiB.
    #[must_use]
    pub fn cap(self, bytes: u64) -> Self {
        Self { cap: bytes, ..self }
    }

    /// Tells errors that came before any byte of the request was sent: such a request may be sent again whatever its method, where
    /// its body is untouched. For hyper-util's client: `|error: &Error| error.is_connect()`.
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

/// Tells errors that came before any byte of the request was sent. `()` knows of none.
pub trait Unsent<Err>: Clone {
    /// Whether there are such errors.
    const KNOWN: bool;

    /// Whether this is one.
    fn is_unsent(&self, error: &Err) -> bool;
}

impl<Err> Unsent<Err> for () {
    const KNOWN: bool = false;

    fn is_unsent(&self, _: &Err) -> bool {
        false
    }
}

impl<Err, G: Fn(&Err) -> bool + Clone> Unsent<Err> for G {
    const KNOWN: bool = true;

    fn is_unsent(&self, error: &Err) -> bool {
        self(error)
    }
}

impl<B, F, U, Res, Err> RetainRequest<Request<B>, Res, Err> for RetainRequests<F, U>
where
    B: Body<Data = Bytes>,
    F: Fn(RetainedBody<B>) -> B + Clone,
    U: Unsent<Err>,
{
    type Retained = RetainedRequest<B, F, U>;

    fn retain(&self, request: Request<B>) -> (Request<B>, Option<Self::Retained>) {
        let size = request.body().size_hint();
        let fits = size.lower() <= self.cap && size.upper().is_none_or(|most| most <= self.cap);
        let idempotent = request.method().is_idempotent();
        if !(idempotent && fits || U::KNOWN) {
            return (request, None);
        }
        let (parts, body) = request.into_parts();
        // Where only an untouched body may be sent again, nothing of it is kept.
        let cap = if idempotent && fits { self.cap } else { 0 };
        let body = RetainedBody::first(body, cap);
        let kept = RetainedRequest {
            parts: parts.clone(),
            body: body.again(),
            idempotent,
            rebuild: self.rebuild.clone(),
            unsent: self.unsent.clone(),
        };
        (Request::from_parts(parts, (self.rebuild)(body)), Some(kept))
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

/// A request that can be sent once more.
pub struct RetainedRequest<B, F, U> {
    parts: Parts,
    body: RetainedBody<B>,
    idempotent: bool,
    rebuild: F,
    unsent: U,
}

impl<B, F, U> fmt::Debug for RetainedRequest<B, F, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRequest")
            .field("method", &self.parts.method)
            .finish_non_exhaustive()
    }
}

/// A request's body that is kept as it is read, so that it can be read once more.
pub struct RetainedBody<B> {
    shared: Arc<Mutex<Shared<B>>>,
    read: usize,
}

struct Shared<B> {
    source: Pin<Box<B>>,
    kept: Vec<Kept>,
    kept_bytes: u64,
    cap: u64,
    touched: bool,
    /// More was read than may be kept.
    overflowed: bool,
    ended: bool,
}

enum Kept {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Kept {
    fn frame(&self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data.clone()),
            Self::Trailers(trailers) => Frame::trailers(trailers.clone()),
        }
    }
}

impl<B: Body<Data = Bytes>> RetainedBody<B> {
    fn first(source: B, cap: u64) -> Self {
        let shared = Shared {
            ended: source.is_end_stream(),
            source: Box::pin(source),
            kept: Vec::new(),
            kept_bytes: 0,
            cap,
            touched: false,
            overflowed: false,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            read: 0,
        }
    }

    fn again(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            read: 0,
        }
    }

    /// Nobody has read any of it, and nobody else can.
    fn is_untouched(&self) -> bool {
        Arc::strong_count(&self.shared) == 1 && !self.lock().touched
    }

    /// All of it is kept; or what is missing, nobody else can read.
    fn is_whole(&self) -> bool {
        let shared = self.lock();
        !shared.overflowed && (shared.ended || Arc::strong_count(&self.shared) == 1)
    }

    fn lock(&self) -> MutexGuard<'_, Shared<B>> {
        lock(&self.shared)
    }
}

impl<B: Body<Data = Bytes>> Shared<B> {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        self.kept_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        self.overflowed |= self.kept_bytes > self.cap;
        if self.overflowed {
            self.kept.clear();
            return;
        }
        if let Some(data) = frame.data_ref() {
            self.kept.push(Kept::Data(data.clone()));
        } else if let Some(trailers) = frame.trailers_ref() {
            self.kept.push(Kept::Trailers(trailers.clone()));
        }
    }
}

impl<B: Body<Data = Bytes>> Body for RetainedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let mut shared = lock(&this.shared);
        if let Some(kept) = shared.kept.get(this.read) {
            this.read += 1;
            return Poll::Ready(Some(Ok(kept.frame())));
        }
        if shared.ended {
            return Poll::Ready(None);
        }
        shared.touched = true;
        let frame = ready!(shared.source.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                shared.keep(frame);
                shared.ended = shared.source.is_end_stream();
                this.read += 1;
            }
            // What can't be read to the end can't be sent once more.
            Some(Err(_)) => shared.overflowed = true,
            None => shared.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let shared = self.lock();
        shared.ended && self.read >= shared.kept.len()
    }

    fn size_hint(&self) -> SizeHint {
        let shared = self.lock();
        let kept: u64 = shared.kept.iter().skip(self.read).fold(0, |sum, kept| match kept {
            Kept::Data(data) => sum + data.len() as u64,
            Kept::Trailers(_) => sum,
        });
        let rest = if shared.ended {
            SizeHint::with_exact(0)
        } else {
            shared.source.size_hint()
        };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + kept);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + kept);
        }
        hint
    }
}

impl<B> fmt::Debug for RetainedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetainedBody")
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}
