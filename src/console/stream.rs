use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use ::http::StatusCode;
use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, Sleep, sleep},
};

use super::{
    answer::Problem,
    sampler::{Sampler, Tick},
};

/// What a reader of the event stream gets: everything at first, then each second what has changed. One that is too slow for that gets everything again, and
/// so never has more waiting for it than that.
pub(super) struct EventStream {
    sampler: Arc<Sampler>,
    next: Pin<Box<dyn Future<Output = (watch::Receiver<Tick>, bool)> + Send>>,
    known: Option<u64>,
    ping: Pin<Box<Sleep>>,
}

/// More readers than this are turned away.
const MOST: usize = 256;
/// With nothing to tell, this shows whether the reader is still there.
const PING: Duration = Duration::from_secs(15);

impl EventStream {
    pub(super) fn open(sampler: &Arc<Sampler>) -> Result<Self, Problem> {
        if sampler.streams.fetch_add(1, Ordering::Relaxed) >= MOST {
            sampler.streams.fetch_sub(1, Ordering::Relaxed);
            let reason = format!("{MOST} streams are open already");
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        }
        Ok(Self {
            next: Box::pin(changed(sampler.ticks())),
            sampler: sampler.clone(),
            known: None,
            ping: Box::pin(sleep(PING)),
        })
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(known) = self.known else {
            // What has been told until now is among all.
            self.next = Box::pin(changed(self.sampler.ticks()));
            self.known = Some(0);
            return Poll::Ready(Some(self.sampler.all()));
        };
        if let Poll::Ready((mut ticks, is_alive)) = self.next.as_mut().poll(cx) {
            if !is_alive {
                return Poll::Ready(None);
            }
            let tick = ticks.borrow_and_update().clone();
            self.next = Box::pin(changed(ticks));
            self.known = Some(tick.number);
            self.ping.as_mut().reset(Instant::now() + PING);
            let has_missed_some = known > 0 && tick.number != known + 1;
            return Poll::Ready(Some(if has_missed_some {
                self.sampler.all()
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

async fn changed(mut ticks: watch::Receiver<Tick>) -> (watch::Receiver<Tick>, bool) {
    let is_alive = ticks.changed().await.is_ok();
    (ticks, is_alive)
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.sampler.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
