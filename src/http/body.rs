use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{Outcome, Permit, panics::failing_on_panic};

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
    /// There were trailers.
    fn trailers(&mut self, trailers: &HeaderMap);

    /// The body has ended.
    fn end(&self) -> Outcome;
}

/// The head has said it all.
#[derive(Clone, Copy, Debug)]
pub struct Known(pub(super) Outcome);

impl Verdict for Known {
    fn trailers(&mut self, _: &HeaderMap) {}

    fn end(&self) -> Outcome {
        self.0
    }
}

pin_project! {
    /// A body that records the call's outcome when it ends.
    ///
    /// Dropped before that, it is a cancelled call. A consumer that stops at a body's exact length has read it to the end.
    pub struct WatchedBody<B, V = Known> {
        #[pin]
        body: B,
        permit: Option<Permit>,
        verdict: Option<V>,
        latency: Latency,
    }
}

/// Watches a body to its end, which may be there already.
pub(crate) fn watched<B: Body, V: Verdict>(
    body: B,
    mut permit: Permit,
    verdict: V,
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
        }
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
                if let Some(trailers) = frame.trailers_ref() {
                    verdict.trailers(trailers);
                }
                this.body.is_end_stream().then(|| verdict.end())
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
