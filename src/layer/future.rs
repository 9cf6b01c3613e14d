//! The future of a call, which owns the call's permit, and ends it.
//!
//! Polling it runs the primary and the backup, where a panic counts as a failure of the call, and
//! then the classifier, which gets the permit. A future that is dropped drops its permit, which is
//! a cancelled call.
//!
//! The state of a healthy call is small, and its permit is written once, to where it stays. The
//! rare state, to wait for the primary's readiness, is boxed.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower::Service;

use crate::{
    breaker::{Breaker, Permit, Refused},
    classify::{Classify, ErrorsAsFailures},
    error::CircuitOpen,
    layer::{panics::failing_on_panic, readiness::ReadinessWaiter},
    machine::Outcome,
    on_open::{OnOpen, Reject},
};

/// The future of a call through a [`CircuitBreaker`](crate::CircuitBreaker) around the service `S`,
/// with what it does on refusal, `B`, and the classifier `C`.
///
/// The call's latency counts from `call`. If the primary wasn't ready at the first poll, it counts
/// from when it became ready.
///
/// This is an alias. The struct behind it, [`CallFuture`], has no bounds, so that it is `Send` in
/// coroutines, too: a bound `S: Service<Req>` on a struct that is held across an `.await` fails
/// where the types contain boxed errors (rust-lang/rust#110338). Name the alias in your own
/// services:
///
/// ```
/// use std::task::{Context, Poll};
/// use tower::{BoxError, Service};
/// use tower_breaker::{CircuitBreaker, future::ResponseFuture};
///
/// struct Payments<S>(CircuitBreaker<S>);
///
/// impl<S, Req> Service<Req> for Payments<S>
/// where
///     S: Service<Req, Error = BoxError> + Clone,
/// {
///     type Response = S::Response;
///     type Error = BoxError;
///     type Future = ResponseFuture<S, Req>;
///
///     fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
///         Service::<Req>::poll_ready(&mut self.0, cx)
///     }
///
///     fn call(&mut self, request: Req) -> Self::Future {
///         self.0.call(request)
///     }
/// }
/// ```
///
/// # Cancel safety
///
/// A future that is dropped before it is done is a cancelled call: see
/// [`CancelledCalls`](crate::config::CancelledCalls).
pub type ResponseFuture<S, Req, B = Reject, C = ErrorsAsFailures> = CallFuture<
    <S as Service<Req>>::Future,
    <B as OnOpen<Req, <S as Service<Req>>::Response, <S as Service<Req>>::Error>>::Future,
    WaitingCall<S, Req, B>,
    <B as OnOpen<Req, <S as Service<Req>>::Response, <S as Service<Req>>::Error>>::Retained,
    C,
>;

pin_project! {
    /// The struct behind [`ResponseFuture`], which is the name to use.
    ///
    /// `F` is the primary's future, `D` the diverted call, `W` the [`WaitingCall`], `R` what is
    /// retained of the request for failing over, and `C` the classifier.
    #[must_use = "futures do nothing unless polled"]
    pub struct CallFuture<F, D, W, R, C> {
        #[pin]
        state: State<F, D, W>,
        permit: Option<Permit>,
        retained: Option<R>,
        classify: C,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, D, W> {
        /// Waits for the primary's answer.
        Primary { #[pin] future: F },
        /// Waits for the primary to be ready. While half-open `poll_ready` must not do so, since it
        /// would block callers whose calls are diverted.
        Waiting { call: Box<W> },
        /// Waits for what takes the primary's place.
        Diverted { #[pin] future: D },
        /// Waits for nothing: the primary has answered, and has let go of the request.
        Answered,
    }
}

impl<S, Req, B, C> ResponseFuture<S, Req, B, C>
where
    S: Service<Req>,
    B: OnOpen<Req, S::Response, S::Error>,
{
    /// Calls the primary, which is ready and may have the call.
    pub(crate) fn primary(primary: &mut S, request: Req, on_open: &B, permit: Permit, classify: C) -> Self {
        let (request, retained) = on_open.retain(request);
        // The permit is written to its final place at once: moving it right after it was written
        // takes longer than all else here.
        let mut call = Self {
            state: State::Answered,
            permit: Some(permit),
            retained,
            classify,
        };
        let future = failing_on_panic(&mut call.permit, || primary.call(request));
        call.state = State::Primary { future };
        call
    }

    /// Calls the primary once it is ready, if the breaker still admits the call then.
    pub(crate) fn waiting(primary: S, request: Req, on_open: B, breaker: Breaker, permit: Permit, classify: C) -> Self {
        let call = Box::new(WaitingCall {
            primary,
            request: Some(request),
            on_open,
            waiter: ReadinessWaiter::new(breaker),
        });
        Self {
            state: State::Waiting { call },
            permit: Some(permit),
            retained: None,
            classify,
        }
    }

    /// Begins to answer a call that the breaker refuses. `permit` is that of the call to the
    /// backup.
    #[inline(always)]
    pub(crate) fn refused(
        request: Req,
        open: impl FnOnce() -> CircuitOpen,
        permit: Permit,
        on_open: &B,
        classify: C,
    ) -> Self {
        if !B::HAS_BACKUP {
            // No call is made whose panic would count. The error is written to its place at once.
            return Self {
                state: State::Diverted {
                    future: on_open.refuse(request, open),
                },
                permit: Some(permit),
                retained: None,
                classify,
            };
        }
        let mut call = Self {
            state: State::Answered,
            permit: Some(permit),
            retained: None,
            classify,
        };
        let future = failing_on_panic(&mut call.permit, || on_open.refuse(request, open));
        call.state = State::Diverted { future };
        call
    }
}

impl<S, Req, B, C> Future for ResponseFuture<S, Req, B, C>
where
    S: Service<Req>,
    B: OnOpen<Req, S::Response, S::Error>,
    C: Classify<Req, S::Response, S::Error>,
{
    type Output = Result<C::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (result, permit) = loop {
            let result = match this.state.as_mut().project() {
                StateProj::Primary { future } => {
                    let result = ready!(failing_on_panic(this.permit, || future.poll(cx)));
                    // Most calls end here: nothing is retained, and the permit isn't moved. To
                    // share the end with the other calls, which is much the same, costs 3 ns of 8.
                    if this.retained.is_none() {
                        let permit = Permit::take_fast(this.permit).or_else(|| this.permit.take());
                        let permit = permit.expect("polled after it was ready");
                        return Poll::Ready(classified::<C, Req, _, _>(this.classify, result, permit));
                    }
                    result
                }
                StateProj::Diverted { future } => {
                    let result = ready!(failing_on_panic(this.permit, || B::poll(future, cx)));
                    // Most calls to a backup end here, for the same reason.
                    if let Some(permit) = Permit::take_fast(this.permit) {
                        return Poll::Ready(classified::<C, Req, _, _>(this.classify, result, permit));
                    }
                    result
                }
                StateProj::Waiting { call } => match ready!(call.poll_ready(cx, this.permit)) {
                    Resolved::Call(request) => {
                        let (request, retained) = call.on_open.retain(request);
                        let future = failing_on_panic(this.permit, || call.primary.call(request));
                        *this.retained = retained;
                        this.state.set(State::Primary { future });
                        continue;
                    }
                    Resolved::Divert(request, Refused { open, permit }) => {
                        *this.permit = Some(permit);
                        let future = failing_on_panic(this.permit, || call.on_open.refuse(request, || open));
                        this.state.set(State::Diverted { future });
                        continue;
                    }
                    Resolved::Fail(error) => Err(error),
                },
                StateProj::Answered => panic!("polled after it was ready"),
            };
            let permit = this.permit.take().expect("polled after it was ready");
            let failed = this
                .retained
                .take()
                .filter(|_| this.classify.is_failure(result.as_ref()));
            let Some(retained) = failed else {
                break (result, permit);
            };
            // Drops the primary's future: a timeout's, for one, holds the request until then.
            this.state.set(State::Answered);
            let Some(future) = B::fail_over(retained, result.as_ref()) else {
                break (result, permit);
            };
            let handle = permit.handle();
            this.classify.failing_over(result.as_ref(), permit);
            *this.permit = Some(handle.map_or(Permit::UNTRACKED, |handle| handle.failed_over_permit()));
            this.state.set(State::Diverted { future });
        };
        Poll::Ready(match result {
            // A rejection is an error of neither the primary nor the backup: nothing classifies it.
            Err(error) if !permit.is_for_a_call() => Err(error),
            result => classified::<C, Req, _, _>(this.classify, result, permit),
        })
    }
}

/// Lets the classifier record the call's outcome, and returns the result for the caller.
#[inline(always)]
fn classified<C, Req, Res, Err>(classify: &C, result: Result<Res, Err>, permit: Permit) -> Result<C::Response, Err>
where
    C: Classify<Req, Res, Err>,
{
    match result {
        Ok(response) => Ok(classify.response(response, permit)),
        Err(error) => {
            classify.error(&error, permit);
            Err(error)
        }
    }
}

impl<F, D, W, R, C> fmt::Debug for CallFuture<F, D, W, R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture")
            .field(
                "awaits",
                match &self.state {
                    State::Primary { .. } => &"primary",
                    State::Waiting { .. } => &"readiness",
                    State::Diverted { .. } => &"backup",
                    State::Answered => &"nothing",
                },
            )
            .finish_non_exhaustive()
    }
}

/// A call that waits for the primary to be ready. It still has its request, so it can go to the
/// backup instead.
pub struct WaitingCall<S, Req, B> {
    primary: S,
    request: Option<Req>,
    on_open: B,
    waiter: ReadinessWaiter,
}

impl<S, Req, B> fmt::Debug for WaitingCall<S, Req, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingCall")
            .field("waiter", &self.waiter)
            .finish_non_exhaustive()
    }
}

/// What follows the wait for readiness.
enum Resolved<Req, Err> {
    Call(Req),
    Divert(Req, Refused),
    Fail(Err),
}

impl<S, Req, B> WaitingCall<S, Req, B> {
    /// Waits until the primary is ready, or until the breaker no longer admits the call.
    #[inline(never)]
    fn poll_ready(&mut self, cx: &mut Context<'_>, permit: &mut Option<Permit>) -> Poll<Resolved<Req, S::Error>>
    where
        S: Service<Req>,
        B: OnOpen<Req, S::Response, S::Error>,
    {
        let ready = loop {
            if let Some(ready) = self.poll_at_once(cx, permit) {
                break ready;
            }
            self.waiter.register(cx);
            let breaker = self.waiter.breaker();
            breaker.evaluate();
            let reserved = B::WAITS || permit.as_ref().is_some_and(|permit| breaker.is_valid(permit));
            if !reserved {
                if let Some(permit) = permit.take() {
                    permit.release();
                }
                match breaker.acquire_waiting(B::HAS_BACKUP) {
                    // A permit that isn't expected is no reservation: too few of the group are
                    // healthy, for example. The call is made all the same.
                    Ok(renewed) => {
                        if permit.insert(renewed).is_expected() {
                            continue;
                        }
                    }
                    Err(refused) => return Poll::Ready(Resolved::Divert(self.take_request(), refused)),
                }
            }
            match failing_on_panic(permit, || self.primary.poll_ready(cx)) {
                Poll::Ready(ready) => break ready,
                Poll::Pending => ready!(self.waiter.poll_evaluation(cx)),
            }
        };
        self.waiter.end();
        if let Some(permit) = permit {
            permit.start();
        }
        let Err(error) = ready else {
            return Poll::Ready(Resolved::Call(self.take_request()));
        };
        self.waiter.breaker().note_readiness_error();
        if let Some(failed) = permit.replace(Permit::UNTRACKED) {
            failed.record(Outcome::Failure);
        }
        Poll::Ready(if B::DIVERTS {
            let refused = self.waiter.breaker().divert(B::HAS_BACKUP);
            Resolved::Divert(self.take_request(), refused)
        } else {
            Resolved::Fail(error)
        })
    }

    /// Polls the primary for the first time, while the permit is new. Most often it is ready, and
    /// the breaker need not be asked again.
    fn poll_at_once(&mut self, cx: &mut Context<'_>, permit: &mut Option<Permit>) -> Option<Result<(), S::Error>>
    where
        S: Service<Req>,
    {
        if !permit.as_ref().is_some_and(Permit::is_expected) {
            return None;
        }
        let ready = failing_on_panic(permit, || self.primary.poll_ready(cx));
        let permit = permit.as_mut()?;
        let Poll::Ready(ready) = ready else {
            permit.wait();
            return None;
        };
        if ready.is_ok() {
            permit.start_as_expected();
        }
        Some(ready)
    }

    fn take_request(&mut self) -> Req {
        self.request.take().expect("a request is sent once")
    }
}
