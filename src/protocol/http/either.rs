//! A body of one of two types, without a box.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::BoxError;

pin_project! {
    /// A body of a primary or of its backup, where the two types differ, without a box.
    ///
    /// Map both responses to it below the layer:
    /// `.map_response(|response| response.map(EitherBody::primary))`.
    #[derive(Debug)]
    pub struct EitherBody<P, B> {
        #[pin]
        either: Either<P, B>,
    }
}

pin_project! {
    #[project = EitherProj]
    #[derive(Debug)]
    enum Either<P, B> {
        Primary { #[pin] body: P },
        Backup { #[pin] body: B },
    }
}

impl<P, B> EitherBody<P, B> {
    /// Wraps a body of the primary.
    pub fn primary(body: P) -> Self {
        Self {
            either: Either::Primary { body },
        }
    }

    /// Wraps a body of the backup.
    pub fn backup(body: B) -> Self {
        Self {
            either: Either::Backup { body },
        }
    }
}

impl<P, B: From<Bytes>> From<Bytes> for EitherBody<P, B> {
    fn from(bytes: Bytes) -> Self {
        Self::backup(bytes.into())
    }
}

impl<P, B> Body for EitherBody<P, B>
where
    P: Body<Error: Into<BoxError>>,
    B: Body<Data = P::Data, Error: Into<BoxError>>,
{
    type Data = P::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<P::Data>, BoxError>>> {
        match self.project().either.project() {
            EitherProj::Primary { body } => body.poll_frame(cx).map_err(Into::into),
            EitherProj::Backup { body } => body.poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.either {
            Either::Primary { body } => body.is_end_stream(),
            Either::Backup { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.either {
            Either::Primary { body } => body.size_hint(),
            Either::Backup { body } => body.size_hint(),
        }
    }
}
