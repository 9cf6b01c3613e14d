//! [`CircuitBreaker`]: where a call is admitted or refused.
//!
//! `poll_ready` asks the gate first: an open breaker never waits for the primary. `call` takes the
//! permit, and hands it to the future, which owns it from there on. The gate may change between the
//! two; the caller sees neither a refusal nor an error of that where there is a backup.
//!
//! With [`Wait`](crate::on_open::Wait) alone, `poll_ready` takes a reservation.

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
    breaker::{Breaker, Permit, Refused, SlowPath},
    classify::{Classify, ErrorsAsFailures},
    layer::{
        future::ResponseFuture,
        panics::on_panic,
        primary::{PrimaryHandle, Readiness},
        readiness::ReadinessWaiter,
    },
    machine::Outcome,
    on_open::{OnOpen, Reject},
};

/// A service behind a circuit breaker, as [`CircuitBreakerLayer`](crate::CircuitBreakerLayer) makes
/// it.
///
/// In a tokio runtime, a caller that waits for the primary's readiness also sets a timer, so that
/// the breaker notices calls that hang even while all other callers wait. The runtime's timers have
/// to be enabled. Outside a tokio runtime there is no such timer.
///
/// # Spawning
///
/// With a backup, or an error that is a `BoxError`, the compiler may refuse
/// `tokio::spawn(async move { service.oneshot(request).await })` as not `Send`
/// (rust-lang/rust#110338), like it does with tower's own combinators. It accepts
/// `service.ready().await?.call(request).await`, and anything around a
/// `tower::util::BoxCloneSyncService::new(service)`.
pub struct CircuitBreaker<S, B = Reject, C = ErrorsAsFailures> {
    primary: PrimaryHandle<S>,
    on_open: B,
    classify: C,
    breaker: Breaker,
    waiter: ReadinessWaiter,
    /// With `Wait` only: what `poll_ready` granted while half-open.
    reservation: Option<Permit>,
    /// With `Wait` only: when to ask for a reservation again.
    timer: Option<Pin<Box<Sleep>>>,
}

/// How long a caller waits before it asks for a reservation again, with `Wait` in half-open.
const RESERVE_AGAIN_AFTER: Duration = Duration::from_millis(50);

impl<S, B, C> CircuitBreaker<S, B, C> {
    pub(crate) fn new(primary: S, breaker: Breaker, on_open: B, classify: C) -> Self {
        Self {
            primary: PrimaryHandle::new(primary),
            on_open,
            classify,
            waiter: ReadinessWaiter::new(breaker.clone()),
            breaker,
            reservation: None,
            timer: None,
        }
    }

    /// Returns the handle to the breaker: its state, snapshot, events and manual control.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Returns the primary, the service that the breaker protects.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        self.primary.get_ref()
    }
}

impl<S: Clone, B, C> CircuitBreaker<S, B, C> {
    /// Gives up what the primary's handle holds, and stays registered for the breaker's changes.
    fn give_up_primary(&mut self) {
        self.primary.release();
        self.waiter.end_of_readiness();
    }

    /// Gives up what the primary's handle holds, and ends the wait for it.
    fn release_primary(&mut self) {
        self.primary.release();
        self.waiter.end();
    }

    /// Releases the primary after `call` took the readiness, but sent the call elsewhere.
    fn release_taken(&mut self, readiness: Readiness) {
        self.primary.release_taken(readiness);
        self.waiter.end();
    }

    /// Polls the primary's readiness. A panic in it counts as a failure.
    fn poll_primary<Req>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Req>,
    {
        let (primary, breaker) = (&mut self.primary, &self.breaker);
        on_panic(
            || primary.poll_ready(cx),
            || {
                breaker.note_readiness_error();
                breaker.readiness_failed();
            },
        )
    }

    /// Counts an error from the primary's `poll_ready`. Where refused calls are diverted, the
    /// caller doesn't see it: the next call goes to the backup.
    fn readiness_failed<Err>(&mut self, error: Err, diverts: bool) -> Result<(), Err> {
        self.breaker.note_readiness_error();
        match self.reservation.take() {
            Some(mut reservation) => {
                reservation.start();
                reservation.record(Outcome::Failure);
            }
            None => self.breaker.readiness_failed(),
        }
        self.release_primary();
        if !diverts {
            return Err(error);
        }
        self.primary.fail();
        Ok(())
    }

    /// Returns whether the primary may have the next call: all calls flow, or a reservation is
    /// still valid. Releases a reservation that isn't.
    fn is_granted(&mut self) -> bool {
        if self
            .reservation
            .as_ref()
            .is_some_and(|reservation| self.breaker.is_valid(reservation))
        {
            return true;
        }
        if let Some(reservation) = self.reservation.take() {
            reservation.release();
        }
        self.breaker.is_flowing()
    }

    /// With `Wait`: is pending until all calls flow, or until the breaker grants a reservation.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_granted() {
            if self.waiter.register(cx) {
                // The breaker has changed: what the timer waited for may be void.
                self.timer = None;
            }
            if self.is_granted() {
                break;
            }
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
                self.timer = None;
            }
            match self.breaker.reserve() {
                Ok(reservation) => {
                    self.reservation = reservation;
                    break;
                }
                Err(open) => {
                    // Only a change can end the wait, as when an operator forced the breaker open
                    // without an expiry. The waiter wakes the task at a change.
                    let Some(after) = open.retry_after() else {
                        return Poll::Pending;
                    };
                    self.timer = Some(Box::pin(sleep(after.max(RESERVE_AGAIN_AFTER))));
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
    type Future = ResponseFuture<S, Req, B, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let mut has_lost_its_grant = false;
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
                self.waiter.end();
                return Poll::Ready(ready.or_else(|error| self.readiness_failed(error, B::DIVERTS)));
            }
            // Registers before it reads the gate again: a trip in between must not go unnoticed.
            self.waiter.register(cx);
            if self.is_granted() {
                ready!(self.waiter.poll_evaluation(cx));
            } else if replace(&mut has_lost_its_grant, true) {
                // Reservations may expire faster than the primary is polled. Let others use the
                // thread.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let classify = self.classify.begin(&request);
        let ready = self.primary.take_readiness();
        if ready == Readiness::Failed {
            let Refused { open, permit } = self.breaker.divert(B::HAS_BACKUP);
            return ResponseFuture::<S, Req, B, C>::refused(request, || open, permit, &self.on_open, classify);
        }
        let acquired = match self.reservation.take() {
            Some(reservation) => Ok(reservation),
            None if B::WAITS => Ok(self.breaker.acquire_reserved()),
            None if ready == Readiness::Ready => match self.breaker.admit() {
                // Most calls end here: the permit goes straight to its place in the future.
                Ok(permit) => {
                    return ResponseFuture::<S, Req, B, C>::primary(
                        self.primary.get_mut(),
                        request,
                        &self.on_open,
                        permit,
                        classify,
                    );
                }
                Err(slow) => self.breaker.acquire_slow(slow, B::HAS_BACKUP),
            },
            None => match self.breaker.refuse(SlowPath::default(), B::HAS_BACKUP) {
                // While the breaker is open, all calls end here.
                Ok(refused) => {
                    self.release_taken(ready);
                    let permit = refused.permit(&self.breaker);
                    let open = || refused.open(&self.breaker);
                    return ResponseFuture::<S, Req, B, C>::refused(request, open, permit, &self.on_open, classify);
                }
                Err(now) => self.breaker.acquire_waiting_at(now, B::HAS_BACKUP),
            },
        };
        match acquired {
            Ok(mut permit) if ready == Readiness::Ready => {
                permit.start();
                ResponseFuture::<S, Req, B, C>::primary(
                    self.primary.get_mut(),
                    request,
                    &self.on_open,
                    permit,
                    classify,
                )
            }
            Ok(permit) => ResponseFuture::<S, Req, B, C>::waiting(
                self.primary.fresh(),
                request,
                self.on_open.clone(),
                self.breaker.clone(),
                permit,
                classify,
            ),
            Err(Refused { open, permit }) => {
                self.release_taken(ready);
                ResponseFuture::<S, Req, B, C>::refused(request, || open, permit, &self.on_open, classify)
            }
        }
    }
}

impl<S: Clone, B: Clone, C: Clone> Clone for CircuitBreaker<S, B, C> {
    fn clone(&self) -> Self {
        // A new clone carries no readiness: the inner service tracks readiness per clone.
        Self::new(
            self.primary.fresh(),
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
            .field("readiness", &self.primary)
            .finish_non_exhaustive()
    }
}
