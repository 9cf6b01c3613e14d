use std::{
    fmt,
    future::Future,
    mem::replace,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tower::Service;

use crate::{
    backup::{OnOpen, Reject},
    breaker::{Breaker, Permit},
    classify::{Classify, ErrorsAsFailures},
    future::CallFuture,
    machine::Timestamp,
    panics::on_panic,
    waiter::Waiter,
};

/// A service behind a circuit breaker: what [`CircuitBreakerLayer`](crate::CircuitBreakerLayer) makes.
pub struct CircuitBreaker<S, B = Reject, C = ErrorsAsFailures> {
    primary: S,
    on_open: B,
    classify: C,
    breaker: Breaker,
    readiness: Readiness,
    /// Has this task woken when the breaker changes, while it waits.
    waiter: Waiter,
    /// When the wait for the primary's readiness began.
    waiting_since: Option<Timestamp>,
    /// `Wait` only: what `poll_ready` granted while half-open.
    promise: Option<Permit>,
    /// `Wait` only: when to look again.
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
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
            waiter: Waiter::new(breaker.clone()),
            breaker,
            readiness: Readiness::Unknown,
            waiting_since: None,
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
    fn release_primary(&mut self) {
        if matches!(self.readiness, Readiness::Pending | Readiness::Ready) {
            self.primary = self.primary.clone();
        }
        self.readiness = Readiness::Unknown;
        self.note_wait();
    }

    fn note_wait(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.breaker.waited_since(since);
        }
    }

    /// Polls the primary's readiness.
    fn poll_primary<Req>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Req>,
    {
        let (primary, breaker) = (&mut self.primary, &self.breaker);
        let ready = on_panic(|| primary.poll_ready(cx), || breaker.readiness_failed());
        if ready.is_pending() {
            self.readiness = Readiness::Pending;
            self.waiting_since.get_or_insert_with(|| breaker.now());
            return Poll::Pending;
        }
        self.note_wait();
        self.readiness = Readiness::Ready;
        ready
    }

    /// The primary's readiness failed. With a backup that is nobody's error: the next call goes there.
    fn readiness_failed<Err>(&mut self, error: Err, diverts: bool) -> Result<(), Err> {
        self.breaker.readiness_failed();
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
        if self.is_granted() {
            return Poll::Ready(());
        }
        loop {
            // Before the gate is read, or a change in between would go unnoticed.
            self.waiter.register(cx);
            if self.is_granted() {
                return Poll::Ready(());
            }
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
                self.timer = None;
            }
            match self.breaker.promise() {
                Ok(promise) => {
                    self.promise = promise;
                    return Poll::Ready(());
                }
                Err(open) => {
                    // Forced open for good, only a change can end the wait, and the waiter tells of that.
                    let Some(after) = open.retry_after() else {
                        return Poll::Pending;
                    };
                    self.timer = Some(Box::pin(tokio::time::sleep(after.max(ASKS_AGAIN_AFTER))));
                }
            }
        }
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
        loop {
            if B::WAITS {
                if self.poll_turn(cx).is_pending() {
                    self.release_primary();
                    return Poll::Pending;
                }
            } else if !self.breaker.is_flowing() {
                // The gate comes first: an open breaker never waits for the primary.
                self.release_primary();
                self.waiter.forget();
                return Poll::Ready(Ok(()));
            }
            let Poll::Ready(ready) = self.poll_primary(cx) else {
                // First a place among the woken, then one more look: a trip in between must not go unnoticed.
                self.waiter.register(cx);
                if self.is_granted() {
                    return Poll::Pending;
                }
                continue;
            };
            self.waiter.forget();
            return Poll::Ready(ready.or_else(|error| self.readiness_failed(error, B::DIVERTS)));
        }
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let classify = self.classify.begin(&request);
        let ready = replace(&mut self.readiness, Readiness::Unknown);
        if ready == Readiness::Failed {
            let open = self.breaker.divert();
            return CallFuture::<S, Req, B, C>::refused(request, open, &self.on_open, &self.breaker, classify);
        }
        let acquired = match self.promise.take() {
            Some(promise) => Ok(promise),
            None if B::WAITS => Ok(self.breaker.acquire_promised()),
            None if ready == Readiness::Ready => self.breaker.try_acquire(),
            None => self.breaker.acquire_waiting(),
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
                permit,
                classify,
            ),
            Err(open) => {
                self.readiness = ready;
                self.release_primary();
                CallFuture::<S, Req, B, C>::refused(request, open, &self.on_open, &self.breaker, classify)
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
