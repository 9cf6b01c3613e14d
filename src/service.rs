use std::{
    fmt,
    future::Future,
    mem::replace,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};
use tower::Service;

use crate::{
    backup::{OnOpen, Reject},
    breaker::{Breaker, Permit, Refused, SlowPath},
    classify::{Classify, ErrorsAsFailures},
    future::CallFuture,
    machine::Outcome,
    panics::on_panic,
    waiting_task::WaitingTask,
};

/// A service behind a circuit breaker: what [`CircuitBreakerLayer`](crate::CircuitBreakerLayer) makes.
///
/// In a tokio runtime, a caller that waits for the primary's readiness also sets a timer, so that calls that hang are noticed though
/// all others only wait; the runtime's timers have to be enabled. Elsewhere there is no such timer.
///
/// # Spawning
///
/// With a backup, or an error that is a `BoxError`, `tokio::spawn(service.oneshot(request))` inside an `async` block may be refused as not
/// `Send` (rust-lang/rust#110338), as for tower's own combinators. `service.ready().await?.call(request).await` is not; nor is
/// anything around a `tower::util::BoxCloneSyncService::new(service)`.
pub struct CircuitBreaker<S, B = Reject, C = ErrorsAsFailures> {
    primary: S,
    on_open: B,
    classify: C,
    breaker: Breaker,
    readiness: Readiness,
    wait: WaitingTask,
    /// `Wait` only: what `poll_ready` granted while half-open.
    promise: Option<Permit>,
    /// `Wait` only: when to look again.
    timer: Option<Pin<Box<Sleep>>>,
}

/// What is known of the readiness of `primary`, the handle that this service holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Unknown,
    /// It was polled, and may hold a place in a queue.
    Pending,
    /// It is ready for one call, and may hold a place for it.
    Ready,
    /// Its readiness failed: the next call goes to the backup.
    Failed,
}

/// With `Wait`: how long a caller that wasn't given a place in half-open waits before it asks again.
const ASKS_AGAIN_AFTER: Duration = Duration::from_millis(50);

impl<S, B, C> CircuitBreaker<S, B, C> {
    pub(crate) fn new(primary: S, breaker: Breaker, on_open: B, classify: C) -> Self {
        Self {
            primary,
            on_open,
            classify,
            wait: WaitingTask::new(breaker.clone()),
            breaker,
            readiness: Readiness::Unknown,
            promise: None,
            timer: None,
        }
    }

    /// The breaker's handle.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// The service that is protected.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.primary
    }
}

impl<S: Clone, B, C> CircuitBreaker<S, B, C> {
    /// Gives up what the primary's handle holds: a place in a queue, or a slot that it was ready for.
    fn give_up_primary(&mut self) {
        if matches!(self.readiness, Readiness::Pending | Readiness::Ready) {
            self.primary = self.primary.clone();
        }
        self.readiness = Readiness::Unknown;
        self.wait.end_of_readiness();
    }

    /// As [`give_up_primary`](Self::give_up_primary), and the wait for it is over.
    fn release_primary(&mut self) {
        self.give_up_primary();
        self.wait.end();
    }

    /// Polls the primary's readiness.
    fn poll_primary<Req>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Req>,
    {
        let (primary, breaker) = (&mut self.primary, &self.breaker);
        let ready = on_panic(
            || primary.poll_ready(cx),
            || {
                breaker.note_readiness_error();
                breaker.readiness_failed();
            },
        );
        self.readiness = match ready {
            Poll::Ready(_) => Readiness::Ready,
            Poll::Pending => Readiness::Pending,
        };
        ready
    }

    /// The primary's readiness failed. With a backup that is nobody's error: the next call goes there.
    fn readiness_failed<Err>(&mut self, error: Err, diverts: bool) -> Result<(), Err> {
        self.breaker.note_readiness_error();
        match self.promise.take() {
            Some(mut promise) => {
                promise.start();
                promise.record(Outcome::Failure);
            }
            None => self.breaker.readiness_failed(),
        }
        self.release_primary();
        if !diverts {
            return Err(error);
        }
        self.readiness = Readiness::Failed;
        Ok(())
    }

    /// Whether all calls flow, or this one was promised its turn.
    fn is_granted(&mut self) -> bool {
        if self
            .promise
            .as_ref()
            .is_some_and(|promise| self.breaker.honours(promise))
        {
            return true;
        }
        if let Some(promise) = self.promise.take() {
            promise.release();
        }
        self.breaker.is_flowing()
    }

    /// `Wait`: pending until all calls flow, or a promise is given.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_granted() {
            if self.wait.register(cx) {
                // What the timer waited for may be void.
                self.timer = None;
            }
            if self.is_granted() {
                break;
            }
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
                self.timer = None;
            }
            match self.breaker.promise() {
                Ok(promise) => {
                    self.promise = promise;
                    break;
                }
                Err(open) => {
                    // Forced open for good, only a change can end the wait, and the task is woken for that.
                    let Some(after) = open.retry_after() else {
                        return Poll::Pending;
                    };
                    self.timer = Some(Box::pin(sleep(after.max(ASKS_AGAIN_AFTER))));
                }
            }
        }
        self.timer = None;
        Poll::Ready(())
    }
}

impl<S, B, C, Req> Service<Req> for CircuitBreaker<S, B, C>
where
    S: Service<Req> + Clone,
    B: OnOpen<Req, S::Response, S::Error> + Clone,
    C: Classify<Req, S::Response, S::Error>,
{
    type Response = C::Response;
    type Error = S::Error;
    type Future = CallFuture<S, Req, B, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let mut lost_a_turn = false;
        loop {
            if B::WAITS {
                if self.poll_turn(cx).is_pending() {
                    self.give_up_primary();
                    return Poll::Pending;
                }
            } else if !self.breaker.seems_flowing() {
                // The gate comes first: an open breaker never waits for the primary.
                self.release_primary();
                return Poll::Ready(Ok(()));
            }
            if let Poll::Ready(ready) = self.poll_primary(cx) {
                self.wait.end();
                return Poll::Ready(ready.or_else(|error| self.readiness_failed(error, B::DIVERTS)));
            }
            // First a place among the woken, then one more look: a trip in between must not go unnoticed.
            self.wait.register(cx);
            if self.is_granted() {
                ready!(self.wait.poll_look(cx));
            } else if replace(&mut lost_a_turn, true) {
                // Promises that run out faster than the primary is polled must not keep the thread.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let classify = self.classify.begin(&request);
        let ready = replace(&mut self.readiness, Readiness::Unknown);
        if ready == Readiness::Failed {
            let Refused { open, permit } = self.breaker.divert(B::HAS_BACKUP);
            return CallFuture::<S, Req, B, C>::refused(request, || open, permit, &self.on_open, classify);
        }
        let acquired = match self.promise.take() {
            Some(promise) => Ok(promise),
            None if B::WAITS => Ok(self.breaker.acquire_promised()),
            None if ready == Readiness::Ready => match self.breaker.admit() {
                // The way of most calls: the permit goes straight to its place.
                Ok(permit) => {
                    return CallFuture::<S, Req, B, C>::primary(
                        &mut self.primary,
                        request,
                        &self.on_open,
                        permit,
                        classify,
                    );
                }
                Err(slow) => self.breaker.acquire_slow(slow, B::HAS_BACKUP),
            },
            None => match self.breaker.refuse(SlowPath::default(), B::HAS_BACKUP) {
                // The way of all calls while the breaker is open.
                Ok(refused) => {
                    self.readiness = ready;
                    self.release_primary();
                    let permit = refused.permit(&self.breaker);
                    let open = || refused.open(&self.breaker);
                    return CallFuture::<S, Req, B, C>::refused(request, open, permit, &self.on_open, classify);
                }
                Err(now) => self.breaker.acquire_waiting_at(now, B::HAS_BACKUP),
            },
        };
        match acquired {
            Ok(mut permit) if ready == Readiness::Ready => {
                permit.start();
                CallFuture::<S, Req, B, C>::primary(&mut self.primary, request, &self.on_open, permit, classify)
            }
            Ok(permit) => CallFuture::<S, Req, B, C>::waiting(
                self.primary.clone(),
                request,
                self.on_open.clone(),
                self.breaker.clone(),
                permit,
                classify,
            ),
            Err(Refused { open, permit }) => {
                self.readiness = ready;
                self.release_primary();
                CallFuture::<S, Req, B, C>::refused(request, || open, permit, &self.on_open, classify)
            }
        }
    }
}

impl<S: Clone, B: Clone, C: Clone> Clone for CircuitBreaker<S, B, C> {
    fn clone(&self) -> Self {
        // A new clone carries no readiness: the inner service tracks readiness per clone.
        Self::new(
            self.primary.clone(),
            self.breaker.clone(),
            self.on_open.clone(),
            self.classify.clone(),
        )
    }
}

impl<S, B, C> fmt::Debug for CircuitBreaker<S, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("breaker", &self.breaker)
            .field("readiness", &self.readiness)
            .finish_non_exhaustive()
    }
}
