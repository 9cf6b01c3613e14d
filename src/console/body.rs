use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use super::stream::EventStream;

/// A response's body: text, or a stream of events.
pub struct ConsoleBody(Kind);

enum Kind {
    Whole(Option<Bytes>),
    Stream(Box<EventStream>),
}

impl ConsoleBody {
    pub(super) fn stream(stream: EventStream) -> Self {
        Self(Kind::Stream(Box::new(stream)))
    }
}

impl<T: Into<Bytes>> From<T> for ConsoleBody {
    fn from(text: T) -> Self {
        Self(Kind::Whole(Some(text.into())))
    }
}

impl Body for ConsoleBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut self.0 {
            Kind::Whole(text) => Poll::Ready(text.take().filter(|text| !text.is_empty())),
            Kind::Stream(stream) => stream.poll_next(cx),
        };
        data.map(|data| data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(text) => text.as_ref().is_none_or(Bytes::is_empty),
            Kind::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for ConsoleBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Whole(text) => f.debug_tuple("Whole").field(&text.as_ref().map(Bytes::len)).finish(),
            Kind::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// Why a request's body can't be read.
pub(super) enum Unreadable {
    TooLong,
    Broken,
}

/// Reads a body, up to so many bytes.
pub(super) async fn read<B: Body>(body: B, most: usize) -> Result<Bytes, Unreadable> {
    let mut body = std::pin::pin!(body);
    let mut read = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| Unreadable::Broken)?.into_data() else {
            continue;
        };
        if read.len() + data.remaining() > most {
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
