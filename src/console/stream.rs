//! The stream of server-sent events that the page reads.
//!
//! A reader gets everything at first, then once a second what has changed. A reader that falls
//! behind gets everything again, and so never has more than that waiting for it. At most
//! [`MOST_READERS`] read at once.
//!
//! **Memory ordering.** The number of readers guards no other memory, so that relaxed operations
//! are enough.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, Sleep, sleep},
};

use super::sampler::{Sampler, Tick};

/// The most readers at once. More are turned away.
const MOST_READERS: usize = 256;
/// With nothing to send for this long, a comment is sent, which fails if the reader is gone.
const PING: Duration = Duration::from_secs(15);

/// A reader's stream of events.
pub(super) struct EventStream {
    sampler: Arc<Sampler>,
    /// The next tick, and whether the sampler still lives.
    next: Pin<Box<dyn Future<Output = (watch::Receiver<Tick>, bool)> + Send>>,
    /// The number of the last tick that was sent: `None` before everything was sent, 0 before the
    /// first tick.
    last_sent: Option<u64>,
    ping: Pin<Box<Sleep>>,
}

/// An error: as many streams are open as may be.
#[derive(Debug)]
pub(super) struct TooManyReaders;

impl fmt::Display for TooManyReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MOST_READERS} streams are open already")
    }
}

impl EventStream {
    /// Opens a stream for a new reader.
    pub(super) fn open(sampler: &Arc<Sampler>) -> Result<Self, TooManyReaders> {
        if sampler.readers.fetch_add(1, Ordering::Relaxed) >= MOST_READERS {
            sampler.readers.fetch_sub(1, Ordering::Relaxed);
            return Err(TooManyReaders);
        }
        Ok(Self {
            next: Box::pin(next_tick(sampler.ticks())),
            sampler: sampler.clone(),
            last_sent: None,
            ping: Box::pin(sleep(PING)),
        })
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(last_sent) = self.last_sent else {
            // The changes until now are part of everything.
            self.next = Box::pin(next_tick(self.sampler.ticks()));
            self.last_sent = Some(0);
            return Poll::Ready(Some(self.sampler.everything()));
        };
        if let Poll::Ready((mut ticks, is_alive)) = self.next.as_mut().poll(cx) {
            if !is_alive {
                return Poll::Ready(None);
            }
            let tick = ticks.borrow_and_update().clone();
            self.next = Box::pin(next_tick(ticks));
            self.last_sent = Some(tick.number);
            self.ping.as_mut().reset(Instant::now() + PING);
            let has_missed_some = last_sent > 0 && tick.number != last_sent + 1;
            return Poll::Ready(Some(if has_missed_some {
                self.sampler.everything()
            } else {
                tick.changes
            }));
        }
        if self.ping.as_mut().poll(cx).is_ready() {
            self.ping.as_mut().reset(Instant::now() + PING);
            return Poll::Ready(Some(Bytes::from_static(b": still here\n\n")));
        }
        Poll::Pending
    }
}

/// Waits for the next tick. Returns the receiver, and whether the sampler still lives.
async fn next_tick(mut ticks: watch::Receiver<Tick>) -> (watch::Receiver<Tick>, bool) {
    let is_alive = ticks.changed().await.is_ok();
    (ticks, is_alive)
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.sampler.readers.fetch_sub(1, Ordering::Relaxed);
    }
}
