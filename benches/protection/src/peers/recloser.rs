//! The crate recloser.

use std::{
    future::{Future, pending},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use recloser::{AnyError, AsyncRecloser, Error, Recloser as RealRecloser, RecloserBuilder, RecloserFuture};
use tower::Service;
use tower_breaker::clock::Timestamp;

use super::tower_service::{Failed, Primary, PrimaryCall, Ticket, TowerService};
use crate::{
    contestant::{Call, CallId, Contestant, End, Gate, Route},
    virtual_clock,
};

/// The crate, driven through its futures. They ignore cancelled calls.
pub(super) struct Recloser {
    service: TowerService<AsService>,
    half_open_len: u32,
    gate: Gate,
    /// Calls that ended while half-open, and a bit for each of the last ones: set for a failure.
    ended: u32,
    last: u64,
}

impl Recloser {
    const DEFAULT_HALF_OPEN_LEN: usize = 10;
    const TUNED_HALF_OPEN_LEN: usize = 1;

    pub(super) fn with_defaults() -> Self {
        Self::new(RealRecloser::custom(), Self::DEFAULT_HALF_OPEN_LEN)
    }

    /// Builds it for this traffic. The wait begins short, because half-open lets all calls through.
    pub(super) fn tuned() -> Self {
        Self::new(
            RealRecloser::custom()
                .error_rate(0.5)
                .closed_len(100)
                .open_wait(Duration::from_secs(1))
                .open_wait_strategy(doubled_to_five_seconds),
            Self::TUNED_HALF_OPEN_LEN,
        )
    }

    fn new(builder: RecloserBuilder, half_open_len: usize) -> Self {
        let _clock = virtual_clock::at(Timestamp::START);
        let recloser = AsyncRecloser::from(builder.half_open_len(half_open_len).build());
        Self {
            service: TowerService::new(AsService(recloser)),
            half_open_len: half_open_len as u32,
            gate: Gate::Closed,
            ended: 0,
            last: 0,
        }
    }

    /// Returns whether it is open. The clock is at the beginning of time, when no wait can be over,
    /// so that asking changes nothing.
    fn is_open(&self) -> bool {
        let _clock = virtual_clock::at(Timestamp::START);
        let call = self.service.service.0.call(pending::<Result<(), Failed>>());
        let poll = pin!(call).poll(&mut Context::from_waker(Waker::noop()));
        matches!(poll, Poll::Ready(Err(Error::Rejected)))
    }

    /// Repeats the crate's rule for closing. The crate shows only whether it is open.
    fn closes(&mut self, failed: bool) -> bool {
        let full = self.ended >= self.half_open_len;
        self.ended += 1;
        self.last = ((self.last << 1) | u64::from(failed)) & ((1 << self.half_open_len) - 1);
        full && !failed && 2 * self.last.count_ones() <= self.half_open_len
    }
}

fn doubled_to_five_seconds(failed_recoveries: u32, wait: Duration) -> Duration {
    wait.saturating_mul(2_u32.saturating_pow(failed_recoveries))
        .min(Duration::from_secs(5))
}

impl Contestant for Recloser {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        let _clock = virtual_clock::at(now);
        let route = self.service.ask();
        if self.gate == Gate::Open && matches!(route, Route::Primary(_)) {
            self.gate = Gate::HalfOpen;
            (self.ended, self.last) = (0, 0);
        }
        route
    }

    fn primary_ended(&mut self, id: CallId, end: End, now: Timestamp) {
        let _clock = virtual_clock::at(now);
        self.service.primary_ended(id, end);
        if end == End::Dropped || self.gate == Gate::Open {
            return;
        }
        if self.is_open() {
            self.gate = Gate::Open;
        } else if self.gate == Gate::HalfOpen && self.closes(end == End::Failure) {
            self.gate = Gate::Closed;
        }
    }

    fn gate(&self, _now: Timestamp) -> Gate {
        self.gate
    }
}

#[derive(Debug)]
struct AsService(AsyncRecloser);

impl Service<Ticket> for AsService {
    type Response = ();
    type Error = Error<Failed>;
    type Future = RecloserFuture<Lazy, AnyError>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error<Failed>>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ticket: Ticket) -> Self::Future {
        self.0.call(Lazy::NotYet(ticket))
    }
}

/// A call to the primary that begins when it is first polled.
#[derive(Debug)]
enum Lazy {
    NotYet(Ticket),
    Called(PrimaryCall),
}

impl Future for Lazy {
    type Output = Result<(), Failed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Self::NotYet(ticket) = &*self {
            let call = Primary.call(ticket.clone());
            self.set(Self::Called(call));
        }
        match &mut *self {
            Self::NotYet(_) => Poll::Pending,
            Self::Called(call) => pin!(call).poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::script::Script;

    fn default() -> Script<Recloser> {
        Script::new(Recloser::with_defaults())
    }

    #[test]
    fn by_default_it_evaluates_the_rate_once_a_hundred_calls_have_ended_and_one_more() {
        let mut script = default();
        script.calls(100, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn it_stays_open_for_thirty_seconds() {
        let mut script = default();
        script.calls(101, End::Failure);
        script.wait(30.0);
        assert!(!script.admitted());
        script.wait(0.001);
        assert!(script.admitted());
        assert_eq!(script.gate(), Gate::HalfOpen);
    }

    #[test]
    fn half_open_lets_all_calls_through_until_ten_have_ended_and_one_more() {
        let mut script = default();
        script.calls(101, End::Failure);
        script.wait(31.0);
        script.calls(10, End::Failure);
        for _ in 0..50 {
            assert!(script.admitted());
        }
        assert_eq!(script.gate(), Gate::HalfOpen);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn eleven_successes_close_it() {
        let mut script = default();
        script.calls(101, End::Failure);
        script.wait(31.0);
        script.calls(10, End::Success);
        assert_eq!(script.gate(), Gate::HalfOpen);
        script.call(End::Success);
        assert_eq!(script.gate(), Gate::Closed);
        script.calls(100, End::Failure);
        assert_eq!(script.gate(), Gate::Closed, "it counts anew");
    }

    #[test]
    fn tuned_its_waits_grow_to_five_seconds_and_two_successes_close_it() {
        let mut script = Script::new(Recloser::tuned());
        script.calls(101, End::Failure);
        for wait in [1.0, 2.0, 4.0, 5.0, 5.0] {
            script.wait(wait);
            assert!(!script.admitted(), "after {wait} s");
            script.wait(0.001);
            script.calls(2, End::Failure);
            assert_eq!(script.gate(), Gate::Open);
        }
        script.wait(5.001);
        script.calls(2, End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn cancelled_calls_leave_it_half_open() {
        let mut script = default();
        script.calls(101, End::Failure);
        script.wait(31.0);
        script.calls(100, End::Dropped);
        assert_eq!(script.gate(), Gate::HalfOpen);
    }
}
