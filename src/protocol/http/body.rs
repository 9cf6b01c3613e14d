use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{breaker::Permit, layer::panics::failing_on_panic, machine::Outcome};

/// Up to when a call's latency counts, where its outcome is known at the end of the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Latency {
    /// The head of the response. Right for streams.
    #[default]
    ToHead,
    /// The first frame of the body.
    ToFirstFrame,
    /// The end of the body. A client that reads slowly makes the service look slow.
    ToEnd,
}

/// What the end of a body says.
pub trait Verdict {
    /// There were trailers. Where they ask for a pause, the permit is told.
    fn trailers(&mut self, trailers: &HeaderMap, permit: &mut Permit);

    /// The body has ended.
    fn end(&mut self) -> Outcome;
}

/// The head has said it all.
#[derive(Clone, Copy, Debug)]
pub struct Known(pub(super) Outcome);

impl Verdict for Known {
    fn trailers(&mut self, _: &HeaderMap, _: &mut Permit) {}

    fn end(&mut self) -> Outcome {
        self.0
    }
}

pin_project! {
    /// A body that records the call's outcome when it ends.
    ///
    /// Dropped before that, it is a cancelled call. A consumer that stops at a body's exact length, or at its trailers, has read
    /// it to the end.
    pub struct WatchedBody<B, V = Known> {
        #[pin]
        body: B,
        permit: Option<Permit>,
        verdict: Option<V>,
        latency: Latency,
        // The bytes to come, where their number is known.
        left: Option<u64>,
    }
}

/// Watches a body to its end, which may be there already.
pub(crate) fn watched<B: Body, V: Verdict>(
    body: B,
    mut permit: Permit,
    mut verdict: V,
    latency: Latency,
) -> WatchedBody<B, V> {
    if body.is_end_stream() {
        permit.record(verdict.end());
        return WatchedBody::unwatched(body);
    }
    if latency == Latency::ToHead {
        permit.answered();
    }
    WatchedBody {
        body,
        permit: Some(permit),
        verdict: Some(verdict),
        latency,
        left: None,
    }
}

impl<B, V> WatchedBody<B, V> {
    /// A body whose call has its outcome.
    pub(crate) fn unwatched(body: B) -> Self {
        Self {
            body,
            permit: None,
            verdict: None,
            latency: Latency::ToHead,
            left: None,
        }
    }
}

impl<B> WatchedBody<B> {
    /// Ends with this many bytes: hyper's server asks for no more once it has sent what `Content-Length` announced.
    pub(super) fn of_length(self, bytes: Option<u64>) -> Self {
        Self { left: bytes, ..self }
    }
}

impl<B: Body, V: Verdict> Body for WatchedBody<B, V> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let polled = failing_on_panic(this.permit, || this.body.as_mut().poll_frame(cx));
        let frame = ready!(polled);
        let (Some(permit), Some(verdict)) = (this.permit.as_mut(), this.verdict.as_mut()) else {
            return Poll::Ready(frame);
        };
        let outcome = match &frame {
            Some(Err(_)) => Some(Outcome::Failure),
            Some(Ok(frame)) => {
                if *this.latency == Latency::ToFirstFrame {
                    *this.latency = Latency::ToHead;
                    permit.answered();
                }
                if let (Some(left), Some(data)) = (this.left.as_mut(), frame.data_ref()) {
                    *left = left.saturating_sub(data.remaining() as u64);
                }
                // Nothing follows trailers, and hyper's server drops a body that has given them.
                let ends = match frame.trailers_ref() {
                    Some(trailers) => {
                        verdict.trailers(trailers, permit);
                        true
                    }
                    None => *this.left == Some(0) || this.body.is_end_stream(),
                };
                ends.then(|| verdict.end())
            }
            None => Some(verdict.end()),
        };
        if let Some((outcome, permit)) = outcome.and_then(|outcome| Some((outcome, this.permit.take()?))) {
            permit.record(outcome);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Default, V> Default for WatchedBody<B, V> {
    fn default() -> Self {
        Self::unwatched(B::default())
    }
}

impl<B, V> fmt::Debug for WatchedBody<B, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedBody")
            .field("ended", &self.permit.is_none())
            .finish_non_exhaustive()
    }
}
