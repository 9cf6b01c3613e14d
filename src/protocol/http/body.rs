//! The body that records a call's outcome when it ends.
//!
//! A classifier that decides at the end of a body puts the call's permit into a [`WatchedBody`].
//! The body holds the permit until the outcome is known, and records it once. If it is dropped
//! before, so is the permit, and the call counts as cancelled.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::end_of_stream::{ClassifyEndOfStream, KnownOutcome};
use crate::{breaker::Permit, layer::panics::failing_on_panic, machine::Outcome};

/// An end of a call's latency, where its outcome is known at the end of the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Latency {
    /// Latency ends with the head of the response. Right for streams.
    #[default]
    ToHead,
    /// Latency ends with the first frame of the body.
    ToFirstFrame,
    /// Latency ends with the body. A client that reads slowly makes the service seem slow.
    ToEnd,
}

pin_project! {
    /// A body that records the call's outcome when it ends.
    ///
    /// If it is dropped before, the call counts as cancelled. A consumer that stops at a body's
    /// exact length, or at its trailers, has read it to the end.
    ///
    /// `B` is the body of the response, and `C` tells the outcome at its end.
    pub struct WatchedBody<B, C = KnownOutcome> {
        #[pin]
        body: B,
        // `None` once the outcome is recorded.
        permit: Option<Permit>,
        classifier: Option<C>,
        latency: Latency,
        // The bytes to come, if their number is known.
        left: Option<u64>,
    }
}

impl<B, C> WatchedBody<B, C> {
    /// Watches a body to its end. If that is reached already, records the outcome at once.
    pub(crate) fn new(body: B, mut permit: Permit, mut classifier: C, latency: Latency) -> Self
    where
        B: Body,
        C: ClassifyEndOfStream,
    {
        if body.is_end_stream() {
            permit.record(classifier.end());
            return Self::recorded(body);
        }
        if latency == Latency::ToHead {
            permit.answered();
        }
        Self {
            body,
            permit: Some(permit),
            classifier: Some(classifier),
            latency,
            left: None,
        }
    }

    /// Wraps a body whose call's outcome is recorded. It isn't watched.
    pub(crate) fn recorded(body: B) -> Self {
        Self {
            body,
            permit: None,
            classifier: None,
            latency: Latency::ToHead,
            left: None,
        }
    }
}

impl<B> WatchedBody<B> {
    /// Ends the body after so many bytes: hyper's server stops polling it once it has sent what
    /// `Content-Length` announced.
    pub(super) fn with_length(self, bytes: Option<u64>) -> Self {
        Self { left: bytes, ..self }
    }
}

impl<B: Body, C: ClassifyEndOfStream> Body for WatchedBody<B, C> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let polled = failing_on_panic(this.permit, || this.body.as_mut().poll_frame(cx));
        let frame = ready!(polled);
        let (Some(permit), Some(classifier)) = (this.permit.as_mut(), this.classifier.as_mut()) else {
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
                        classifier.trailers(trailers, permit);
                        true
                    }
                    None => *this.left == Some(0) || this.body.is_end_stream(),
                };
                ends.then(|| classifier.end())
            }
            None => Some(classifier.end()),
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

impl<B: Default, C> Default for WatchedBody<B, C> {
    fn default() -> Self {
        Self::recorded(B::default())
    }
}

impl<B, C> fmt::Debug for WatchedBody<B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedBody")
            .field("ended", &self.permit.is_none())
            .finish_non_exhaustive()
    }
}
