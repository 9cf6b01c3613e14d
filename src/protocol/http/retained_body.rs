//! A request's body that buffers what is read of it, so that it can be read once more.
//!
//! Two [`RetainedBody`]s share one source: the first goes to the primary and fills the buffer, the
//! second waits with the retained request. Whichever is polled first reads a frame from the source;
//! the other gets it from the buffer. The second may be sent only after the first is gone, or has
//! been read to the end.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, ready},
};

use crate::lock::lock;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// A request's body that buffers what is read of it, so that it can be read once more.
pub struct RetainedBody<B> {
    source: Arc<Mutex<BufferedSource<B>>>,
    /// The number of frames that were read through this body.
    frames_read: usize,
}

/// An original body, and what has been read of it.
struct BufferedSource<B> {
    body: Pin<Box<B>>,
    buffer: Vec<BufferedFrame>,
    buffered_bytes: u64,
    /// The number of bytes that may be buffered.
    cap: u64,
    /// Whether the original body was polled.
    touched: bool,
    /// Whether a frame is missing in the buffer: more than `cap` bytes were read, or reading
    /// failed.
    overflowed: bool,
    ended: bool,
}

/// A frame that was read, and can be read once more.
enum BufferedFrame {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl BufferedFrame {
    fn frame(&self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data.clone()),
            Self::Trailers(trailers) => Frame::trailers(trailers.clone()),
        }
    }
}

impl<B: Body<Data = Bytes>> RetainedBody<B> {
    /// Wraps a body, of which up to `cap` bytes are buffered.
    pub(super) fn new(body: B, cap: u64) -> Self {
        let source = BufferedSource {
            ended: body.is_end_stream(),
            body: Box::pin(body),
            buffer: Vec::new(),
            buffered_bytes: 0,
            cap,
            touched: false,
            overflowed: false,
        };
        Self {
            source: Arc::new(Mutex::new(source)),
            frames_read: 0,
        }
    }

    /// Returns a body of the same source that starts at its beginning.
    pub(super) fn restart(&self) -> Self {
        Self {
            source: self.source.clone(),
            frames_read: 0,
        }
    }

    /// Returns whether nothing was read of the source, and this is its only body.
    pub(super) fn is_untouched(&self) -> bool {
        Arc::strong_count(&self.source) == 1 && !self.lock().touched
    }

    /// Returns whether this body can be read whole: what was read is buffered, and what wasn't read
    /// yet can't be taken by another body.
    pub(super) fn is_whole(&self) -> bool {
        let source = self.lock();
        !source.overflowed && (source.ended || Arc::strong_count(&self.source) == 1)
    }

    fn lock(&self) -> MutexGuard<'_, BufferedSource<B>> {
        lock(&self.source)
    }
}

impl<B: Body<Data = Bytes>> BufferedSource<B> {
    fn buffer(&mut self, frame: &Frame<Bytes>) {
        self.buffered_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        self.overflowed |= self.buffered_bytes > self.cap;
        if self.overflowed {
            self.buffer.clear();
            return;
        }
        if let Some(data) = frame.data_ref() {
            self.buffer.push(BufferedFrame::Data(data.clone()));
        } else if let Some(trailers) = frame.trailers_ref() {
            self.buffer.push(BufferedFrame::Trailers(trailers.clone()));
        }
    }
}

impl<B: Body<Data = Bytes>> Body for RetainedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let mut source = lock(&this.source);
        if let Some(buffered) = source.buffer.get(this.frames_read) {
            this.frames_read += 1;
            return Poll::Ready(Some(Ok(buffered.frame())));
        }
        if source.ended {
            return Poll::Ready(None);
        }
        source.touched = true;
        let frame = ready!(source.body.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                source.buffer(frame);
                source.ended = source.body.is_end_stream();
                this.frames_read += 1;
            }
            // A body that can't be read to the end can't be sent once more.
            Some(Err(_)) => source.overflowed = true,
            None => source.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let source = self.lock();
        source.ended && self.frames_read >= source.buffer.len()
    }

    fn size_hint(&self) -> SizeHint {
        let source = self.lock();
        let buffered = source.buffer.iter().skip(self.frames_read);
        let buffered: u64 = buffered.fold(0, |sum, frame| match frame {
            BufferedFrame::Data(data) => sum + data.len() as u64,
            BufferedFrame::Trailers(_) => sum,
        });
        let rest = if source.ended {
            SizeHint::with_exact(0)
        } else {
            source.body.size_hint()
        };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + buffered);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + buffered);
        }
        hint
    }
}

impl<B> fmt::Debug for RetainedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetainedBody")
            .field("frames_read", &self.frames_read)
            .finish_non_exhaustive()
    }
}
