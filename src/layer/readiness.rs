//! One task's wait for the primary's readiness, or for a reservation.
//!
//! The breaker wakes the task when it changes. In a tokio runtime a timer wakes it, too, when there
//! may be something to decide although nothing happens: if all callers wait, no call starts or ends
//! that would make the breaker notice that the calls in flight are overdue.
//!
//! A task registers before it reads the gate. Otherwise a change in between would go unnoticed.

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

/// A task that waits for the primary's readiness, or for a reservation. Dropping it ends the wait.
pub(crate) struct ReadinessWaiter {
    breaker: Breaker,
    /// The place among the tasks that the breaker wakes.
    place: Option<u64>,
    /// Since when the primary has not been ready.
    since: Option<Timestamp>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// The shortest time between two evaluations: short enough for any decision, and no busy loop.
const EARLIEST_EVALUATION: Duration = Duration::from_millis(1);
/// The longest time between two evaluations. Calls that start or fail while the task waits may
/// bring the next decision forward, and the task isn't notified of that.
const LATEST_EVALUATION: Duration = Duration::from_millis(250);

impl ReadinessWaiter {
    pub(crate) fn new(breaker: Breaker) -> Self {
        Self {
            breaker,
            place: None,
            since: None,
            timer: None,
        }
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Registers the task to be woken at the breaker's next change. Returns whether the breaker has
    /// changed since the last call.
    pub(crate) fn register(&mut self, cx: &Context<'_>) -> bool {
        self.breaker.wake_at_change(&mut self.place, cx.waker())
    }

    /// Notes that the primary isn't ready. Is ready itself when it is time to evaluate the breaker
    /// again.
    pub(crate) fn poll_evaluation(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.since.get_or_insert_with(|| self.breaker.now());
        self.timer = Handle::try_current().is_ok().then(|| {
            let after = self.breaker.next_evaluation().unwrap_or(LATEST_EVALUATION);
            Box::pin(sleep(after.clamp(EARLIEST_EVALUATION, LATEST_EVALUATION)))
        });
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Ends the wait.
    #[inline]
    pub(crate) fn end(&mut self) {
        // Most calls never waited.
        if self.place.is_some() || self.since.is_some() || self.timer.is_some() {
            self.end_waiting();
        }
    }

    fn end_waiting(&mut self) {
        self.end_of_readiness();
        if let Some(place) = self.place.take() {
            self.breaker.stop_waking(place);
        }
    }

    /// Ends the wait for readiness, and stays registered for the breaker's changes.
    #[inline]
    pub(crate) fn end_of_readiness(&mut self) {
        if self.since.is_some() || self.timer.is_some() {
            self.end_waiting_for_readiness();
        }
    }

    fn end_waiting_for_readiness(&mut self) {
        self.timer = None;
        if let Some(since) = self.since.take() {
            self.breaker.waited_since(since);
        }
    }
}

impl Drop for ReadinessWaiter {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for ReadinessWaiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadinessWaiter")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}
