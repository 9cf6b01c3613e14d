use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower::Service;

use crate::{
    backup::OnOpen,
    breaker::{Breaker, Permit, Refused},
    classify::Classify,
    error::CircuitOpen,
    machine::Outcome,
    panics::failing_on_panic,
    waiting_task::WaitingTask,
};

pin_project! {
    /// The future of a call through a [`CircuitBreaker`](crate::CircuitBreaker).
    ///
    /// The call's latency counts from `call`, or from when the primary was ready, where it wasn't at the first poll.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it is a cancelled call: see [`CancelledCalls`](crate::CancelledCalls).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, D, W, K, C> {
        #[pin]
        state: State<F, D, W>,
        permit: Option<Permit>,
        kept: Option<K>,
        classify: C,
    }
}

pin_project! {
    // The rare state is boxed, so that the future of a healthy call stays small.
    #[project = StateProj]
    enum State<F, D, W> {
        /// Waits for the primary's answer.
        Primary { #[pin] future: F },
        /// Waits for the primary to be ready: while half-open that can't be left to `poll_ready`, which must not block.
        Waiting { call: Box<W> },
        /// Waits for what takes the primary's place.
        Diverted { #[pin] future: D },
        /// Waits for nothing: the primary has answered, and has let go of the request.
        Answered,
    }
}

/// The future of a call from `S`, behind a breaker that refuses by `B` and classifies by `C`.
pub(crate) type CallFuture<S, Req, B, C> = ResponseFuture<
    <S as Service<Req>>::Future,
    <B as OnOpen<Req, <S as Service<Req>>::Response, <S as Service<Req>>::Error>>::Future,
    Waiting<S, Req, B>,
    <B as OnOpen<Req, <S as Service<Req>>::Response, <S as Service<Req>>::Error>>::Kept,
    C,
>;

impl<S, Req, B, C> CallFuture<S, Req, B, C>
where
    S: Service<Req>,
    B: OnOpen<Req, S::Response, S::Error>,
{
    /// Calls the primary, which is ready.
    pub(crate) fn primary(primary: &mut S, request: Req, on_open: &B, permit: Permit, classify: C) -> Self {
        let (request, kept) = on_open.keep(request);
        // The permit goes to its place at once: to move it later, while it is new, takes longer than all else here.
        let mut call = Self {
            state: State::Answered,
            permit: Some(permit),
            kept,
            classify,
        };
        let future = failing_on_panic(&mut call.permit, || primary.call(request));
        call.state = State::Primary { future };
        call
    }

    /// Calls the primary once it is ready.
    pub(crate) fn waiting(primary: S, request: Req, on_open: B, breaker: Breaker, permit: Permit, classify: C) -> Self {
        let call = Box::new(Waiting {
            primary,
            request: Some(request),
            on_open,
            wait: WaitingTask::new(breaker),
        });
        Self {
            state: State::Waiting { call },
            permit: Some(permit),
            kept: None,
            classify,
        }
    }

    /// The primary may not have the call.
    #[inline(always)]
    pub(crate) fn refused(
        request: Req,
        open: impl FnOnce() -> CircuitOpen,
        permit: Permit,
        on_open: &B,
        classify: C,
    ) -> Self {
        if !B::HAS_BACKUP {
            // Nobody's panic to count; and what is said of the refusal goes to its place at once.
            return Self {
                state: State::Diverted {
                    future: on_open.refuse(request, open),
                },
                permit: Some(permit),
                kept: None,
                classify,
            };
        }
        let mut call = Self {
            state: State::Answered,
            permit: Some(permit),
            kept: None,
            classify,
        };
        let future = failing_on_panic(&mut call.permit, || on_open.refuse(request, open));
        call.state = State::Diverted { future };
        call
    }
}

impl<S, Req, B, C> Future for CallFuture<S, Req, B, C>
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
                    // The way of most calls: nothing is kept, and the permit isn't moved to and fro. Joined with the end of the other ways, which is much the
                    // same, it takes 3 ns more of 8.
                    if this.kept.is_none() {
                        let permit = Permit::take_fast(this.permit).or_else(|| this.permit.take());
                        let permit = permit.expect("polled after it was ready");
                        return Poll::Ready(classified::<C, Req, _, _>(this.classify, result, permit));
                    }
                    result
                }
                StateProj::Diverted { future } => {
                    let result = ready!(failing_on_panic(this.permit, || B::poll(future, cx)));
                    // The way of most calls to a backup: as above.
                    if let Some(permit) = Permit::take_fast(this.permit) {
                        return Poll::Ready(classified::<C, Req, _, _>(this.classify, result, permit));
                    }
                    result
                }
                StateProj::Waiting { call } => match ready!(call.poll_ready(cx, this.permit)) {
                    Next::Call(request) => {
                        let (request, kept) = call.on_open.keep(request);
                        let future = failing_on_panic(this.permit, || call.primary.call(request));
                        *this.kept = kept;
                        this.state.set(State::Primary { future });
                        continue;
                    }
                    Next::Divert(request, Refused { open, permit }) => {
                        *this.permit = Some(permit);
                        let future = failing_on_panic(this.permit, || call.on_open.refuse(request, || open));
                        this.state.set(State::Diverted { future });
                        continue;
                    }
                    Next::Fail(error) => Err(error),
                },
                StateProj::Answered => panic!("polled after it was ready"),
            };
            let permit = this.permit.take().expect("polled after it was ready");
            let failed = this.kept.take().filter(|_| this.classify.is_failure(result.as_ref()));
            let Some(kept) = failed else {
                break (result, permit);
            };
            // A timeout's future, for one, holds the request until it is dropped.
            this.state.set(State::Answered);
            let Some(future) = B::fail_over(kept, result.as_ref()) else {
                break (result, permit);
            };
            let handle = permit.handle();
            this.classify.failing_over(result.as_ref(), permit);
            *this.permit = Some(handle.map_or(Permit::UNTRACKED, |handle| handle.failed_over_permit()));
            this.state.set(State::Diverted { future });
        };
        Poll::Ready(match result {
            // A rejection is not the primary's error, nor the backup's.
            Err(error) if !permit.is_for_a_call() => Err(error),
            result => classified::<C, Req, _, _>(this.classify, result, permit),
        })
    }
}

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

impl<F, D, W, K, C> fmt::Debug for ResponseFuture<F, D, W, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
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

/// A call that waits for the primary to be ready, and still has its request: it can go elsewhere.
pub struct Waiting<S, Req, B> {
    primary: S,
    request: Option<Req>,
    on_open: B,
    wait: WaitingTask,
}

impl<S, Req, B> fmt::Debug for Waiting<S, Req, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// What comes after the wait.
enum Next<Req, Err> {
    Call(Req),
    Divert(Req, Refused),
    Fail(Err),
}

impl<S, Req, B> Waiting<S, Req, B> {
    #[inline(never)]
    fn poll_ready(&mut self, cx: &mut Context<'_>, permit: &mut Option<Permit>) -> Poll<Next<Req, S::Error>>
    where
        S: Service<Req>,
        B: OnOpen<Req, S::Response, S::Error>,
    {
        let ready = loop {
            if let Some(ready) = self.poll_at_once(cx, permit) {
                break ready;
            }
            self.wait.register(cx);
            let breaker = self.wait.breaker();
            breaker.evaluate();
            let promised = B::WAITS || permit.as_ref().is_some_and(|permit| breaker.honours(permit));
            if !promised {
                if let Some(permit) = permit.take() {
                    permit.release();
                }
                match breaker.acquire_waiting(B::HAS_BACKUP) {
                    // Or else nobody stands by it, as where too few of a group are healthy: the call is made all the same.
                    Ok(renewed) => {
                        if permit.insert(renewed).is_expected() {
                            continue;
                        }
                    }
                    Err(refused) => return Poll::Ready(Next::Divert(self.take_request(), refused)),
                }
            }
            match failing_on_panic(permit, || self.primary.poll_ready(cx)) {
                Poll::Ready(ready) => break ready,
                Poll::Pending => ready!(self.wait.poll_look(cx)),
            }
        };
        self.wait.end();
        if let Some(permit) = permit {
            permit.start();
        }
        let Err(error) = ready else {
            return Poll::Ready(Next::Call(self.take_request()));
        };
        self.wait.breaker().note_readiness_error();
        if let Some(failed) = permit.replace(Permit::UNTRACKED) {
            failed.record(Outcome::Failure);
        }
        Poll::Ready(if B::DIVERTS {
            let refused = self.wait.breaker().divert(B::HAS_BACKUP);
            Next::Divert(self.take_request(), refused)
        } else {
            Next::Fail(error)
        })
    }

    /// Most often the primary is ready when first asked, and nobody need look at the breaker again.
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
