//! Drives a Tower service as a contestant.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::task::{Unconstrained, unconstrained};
use tower::Service;

use crate::contestant::{CallId, End, Route};

/// A Tower service that wraps [`Primary`], driven call by call.
pub(super) struct TowerService<S: Service<Ticket>> {
    pub(super) service: S,
    calls: Vec<Option<InFlight<S::Future>>>,
    free: Vec<usize>,
    /// Futures whose primary has ended but which weren't ready yet.
    unfinished: Vec<Polled<S::Future>>,
}

/// A future without the budget of the task that the simulator may run in. The simulator polls any
/// number of calls and has no task to yield to.
type Polled<F> = Unconstrained<Pin<Box<F>>>;

struct InFlight<F> {
    future: Polled<F>,
    ticket: Ticket,
}

impl<S: Service<Ticket>> TowerService<S> {
    pub(super) fn new(service: S) -> Self {
        Self {
            service,
            calls: Vec::new(),
            free: Vec::new(),
            unfinished: Vec::new(),
        }
    }

    pub(super) fn ask(&mut self) -> Route {
        let mut context = Context::from_waker(Waker::noop());
        self.finish(&mut context);
        let ready = self.service.poll_ready(&mut context);
        assert!(
            matches!(ready, Poll::Ready(Ok(()))),
            "a contestant never makes a call wait"
        );
        let ticket = Ticket::default();
        let mut future = unconstrained(Box::pin(self.service.call(ticket.clone())));
        match (Pin::new(&mut future).poll(&mut context), ticket.is_unused()) {
            (Poll::Ready(_), true) => Route::Refused(CallId(0)),
            (Poll::Pending, false) => Route::Primary(self.keep(InFlight { future, ticket })),
            (Poll::Pending, true) => panic!("a contestant never makes a call wait"),
            (Poll::Ready(_), false) => panic!("the primary hasn't answered yet"),
        }
    }

    pub(super) fn primary_ended(&mut self, id: CallId, end: End) {
        let mut context = Context::from_waker(Waker::noop());
        self.finish(&mut context);
        let index = id.0 as usize;
        let InFlight { mut future, ticket } = self.calls[index].take().expect("a call ends once");
        self.free.push(index);
        match end {
            End::Success => ticket.end(SUCCEEDED),
            End::Failure => ticket.end(FAILED),
            End::Dropped => return,
        }
        if Pin::new(&mut future).poll(&mut context).is_pending() {
            self.unfinished.push(future);
        }
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        self.unfinished
            .retain_mut(|future| Pin::new(future).poll(context).is_pending());
    }

    fn keep(&mut self, call: InFlight<S::Future>) -> CallId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.calls.push(None);
            self.calls.len() - 1
        });
        self.calls[index] = Some(call);
        CallId(index as u64)
    }
}

/// A call's request. Its primary learns from it how the call ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticket(Arc<AtomicU8>);

const UNUSED: u8 = 0;
const CALLED: u8 = 1;
const SUCCEEDED: u8 = 2;
const FAILED: u8 = 3;

impl Ticket {
    fn is_unused(&self) -> bool {
        self.0.load(Ordering::Relaxed) == UNUSED
    }

    fn end(&self, how: u8) {
        self.0.store(how, Ordering::Relaxed);
    }
}

/// The primary, as a service. Its answers wait for the simulator.
#[derive(Clone, Debug)]
pub(super) struct Primary;

/// The error of a call without a good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed;

impl Service<Ticket> for Primary {
    type Response = ();
    type Error = Failed;
    type Future = PrimaryCall;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ticket: Ticket) -> PrimaryCall {
        ticket.end(CALLED);
        PrimaryCall(ticket)
    }
}

#[derive(Debug)]
pub(super) struct PrimaryCall(Ticket);

impl Future for PrimaryCall {
    type Output = Result<(), Failed>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.0.load(Ordering::Relaxed) {
            SUCCEEDED => Poll::Ready(Ok(())),
            FAILED => Poll::Ready(Err(Failed)),
            _ => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    /// A layer that refuses calls while `open`, and counts how the others ended. It is ready one
    /// poll late while `slow`.
    #[derive(Clone, Default)]
    struct Noting {
        open: bool,
        slow: bool,
        ends: Rc<RefCell<Vec<&'static str>>>,
    }

    struct Note(Rc<RefCell<Vec<&'static str>>>, &'static str);

    impl Drop for Note {
        fn drop(&mut self) {
            self.0.borrow_mut().push(self.1);
        }
    }

    impl Service<Ticket> for Noting {
        type Response = ();
        type Error = Failed;
        type Future = Pin<Box<dyn Future<Output = Result<(), Failed>>>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, ticket: Ticket) -> Self::Future {
            let Self { open, slow, ends } = self.clone();
            Box::pin(async move {
                if open {
                    return Err(Failed);
                }
                let mut note = Note(ends, "dropped");
                let result = Primary.call(ticket).await;
                let mut pending = slow;
                std::future::poll_fn(|_| match std::mem::take(&mut pending) {
                    true => Poll::Pending,
                    false => Poll::Ready(()),
                })
                .await;
                note.1 = if result.is_ok() { "succeeded" } else { "failed" };
                result
            })
        }
    }

    fn admitted(service: &mut TowerService<Noting>) -> CallId {
        match service.ask() {
            Route::Primary(id) => id,
            Route::Refused(_) => panic!("refused"),
        }
    }

    #[test]
    fn the_service_sees_how_each_call_ended() {
        let mut service = TowerService::new(Noting::default());
        let ends = service.service.ends.clone();
        let ids = [(); 3].map(|()| admitted(&mut service));
        service.primary_ended(ids[2], End::Dropped);
        service.primary_ended(ids[0], End::Failure);
        service.primary_ended(ids[1], End::Success);
        assert_eq!(*ends.borrow(), ["dropped", "failed", "succeeded"]);
    }

    #[test]
    fn a_call_that_never_reaches_the_primary_is_refused() {
        let mut service = TowerService::new(Noting {
            open: true,
            ..Noting::default()
        });
        assert!(matches!(service.ask(), Route::Refused(_)));
    }

    #[test]
    fn a_future_that_is_not_ready_at_once_is_polled_again_at_the_next_event() {
        let mut service = TowerService::new(Noting {
            slow: true,
            ..Noting::default()
        });
        let ends = service.service.ends.clone();
        let id = admitted(&mut service);
        service.primary_ended(id, End::Success);
        assert!(ends.borrow().is_empty());
        admitted(&mut service);
        assert_eq!(*ends.borrow(), ["succeeded"]);
    }
}
