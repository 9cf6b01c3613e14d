use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Sleep, sleep},
};

use crate::{breaker::Breaker, machine::Timestamp};

/// One task's wait for the primary's readiness, or for its turn.
///
/// It is woken when the breaker changes; and, in a tokio runtime, when there may be something to decide though nothing happens:
/// where all callers wait, nobody else would notice that the calls in flight are overdue.
pub(crate) struct WaitingTask {
    breaker: Breaker,
    place: Option<u64>,
    since: Option<Timestamp>,
    look: Option<Pin<Box<Sleep>>>,
}

/// Soon enough for any decision, and no busy loop.
const SOONEST_LOOK: Duration = Duration::from_millis(1);
/// Calls that start or fail while the task waits may bring the next decision forward, and nobody tells.
const LATEST_LOOK: Duration = Duration::from_millis(250);

impl WaitingTask {
    pub(crate) fn new(breaker: Breaker) -> Self {
        Self {
            breaker,
            place: None,
            since: None,
            look: None,
        }
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Has the task woken at the next change. To be called before the gate is read, or a change in between goes unnoticed.
    /// Whether there was one since the last call.
    pub(crate) fn register(&mut self, cx: &Context<'_>) -> bool {
        self.breaker.wake_at_change(&mut self.place, cx.waker())
    }

    /// The primary isn't ready. Ready when it is time to look at the breaker again.
    pub(crate) fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.since.get_or_insert_with(|| self.breaker.now());
        self.look = Handle::try_current().is_ok().then(|| {
            let after = self.breaker.next_evaluation().unwrap_or(LATEST_LOOK);
            Box::pin(sleep(after.clamp(SOONEST_LOOK, LATEST_LOOK)))
        });
        match &mut self.look {
            Some(look) => look.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// It is over, however it ended.
    #[inline]
    pub(crate) fn end(&mut self) {
        // Where there never was one, as for most calls, that is all.
        if self.place.is_some() || self.since.is_some() || self.look.is_some() {
            self.end_waiting();
        }
    }

    fn end_waiting(&mut self) {
        self.end_of_readiness();
        if let Some(place) = self.place.take() {
            self.breaker.stop_waking(place);
        }
    }

    /// It is no longer one for the primary's readiness.
    #[inline]
    pub(crate) fn end_of_readiness(&mut self) {
        if self.since.is_some() || self.look.is_some() {
            self.end_waiting_for_readiness();
        }
    }

    fn end_waiting_for_readiness(&mut self) {
        self.look = None;
        if let Some(since) = self.since.take() {
            self.breaker.waited_since(since);
        }
    }
}

impl Drop for WaitingTask {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for WaitingTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingTask")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}
