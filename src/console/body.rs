//! Bodies: of the console's responses, and of the requests that it reads.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use super::stream::EventStream;

/// The body of a console's response: a text, or a stream of events.
pub struct ConsoleBody(Source);

/// Where a body's data comes from.
enum Source {
    Whole(Option<Bytes>),
    Stream(Box<EventStream>),
}

impl ConsoleBody {
    pub(super) fn stream(stream: EventStream) -> Self {
        Self(Source::Stream(Box::new(stream)))
    }
}

impl<T: Into<Bytes>> From<T> for ConsoleBody {
    fn from(text: T) -> Self {
        Self(Source::Whole(Some(text.into())))
    }
}

impl Body for ConsoleBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut self.0 {
            Source::Whole(text) => Poll::Ready(text.take().filter(|text| !text.is_empty())),
            Source::Stream(stream) => stream.poll_next(cx),
        };
        data.map(|data| data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Whole(text) => text.as_ref().is_none_or(Bytes::is_empty),
            Source::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Whole(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Source::Stream(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for ConsoleBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Whole(text) => f.debug_tuple("Whole").field(&text.as_ref().map(Bytes::len)).finish(),
            Source::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// A reason why a request's body can't be read.
pub(super) enum Unreadable {
    /// It is longer than the limit.
    TooLong,
    /// The connection ended before it did.
    Incomplete,
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read<B: Body>(body: B, limit: usize) -> Result<Bytes, Unreadable> {
    let mut body = std::pin::pin!(body);
    let mut read = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| Unreadable::Incomplete)?.into_data() else {
            continue;
        };
        if read.len() + data.remaining() > limit {
            return Err(Unreadable::TooLong);
        }
        let mut data = data;
        while data.has_remaining() {
            let chunk = data.chunk();
            read.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
    }
    Ok(read.freeze())
}
