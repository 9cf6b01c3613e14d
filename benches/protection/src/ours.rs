//! This project's own rows: the layer itself, with its futures and permits, on tokio's paused
//! clock.
//!
//! The simulator polls a call once to see which service it reached, and again when that service's
//! answer is due.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tokio::{
    runtime::{self, Runtime},
    time::{Instant, advance},
};
use tower::{Layer, Service};
use tower_breaker::{
    Breaker, CircuitBreakerLayer, CircuitOpen, Config, State, clock::Timestamp, layer::CircuitBreakerLayerBuilder,
};

use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// The layer around a primary that the simulator plays.
pub struct OurLayer<S: Service<()>> {
    time: PausedTime,
    service: S,
    breaker: Breaker,
    last_call: Rc<LastCall>,
    calls: Vec<Option<InFlight<S::Future>>>,
    free: Vec<usize>,
}

struct InFlight<F> {
    future: Pin<Box<F>>,
    end: Ending,
}

/// Builds a contestant from this layer, with a backup unless it `rejects`. The run starts now.
pub fn contestant(builder: CircuitBreakerLayerBuilder, rejects: bool) -> Box<dyn Contestant> {
    layer_contestant(PausedTime::start(), builder, rejects)
}

/// Builds the layer for a run that may have started before.
fn layer_contestant(time: PausedTime, builder: CircuitBreakerLayerBuilder, rejects: bool) -> Box<dyn Contestant> {
    let last_call = Rc::new(LastCall::default());
    // The layer's clock starts when the layer is made.
    let runtime = time.runtime.clone();
    let entered = runtime.enter();
    let primary = Simulated::new(&last_call, Side::Primary);
    let sound = "the benchmark's own settings are sound";
    if rejects {
        let layer = builder.build().expect(sound);
        drop(entered);
        Box::new(OurLayer::new(time, &layer, primary, last_call))
    } else {
        let layer = builder
            .backup(Simulated::new(&last_call, Side::Backup))
            .build()
            .expect(sound);
        drop(entered);
        Box::new(OurLayer::new(time, &layer, primary, last_call))
    }
}

impl<S: Service<()>> OurLayer<S> {
    fn new<B, C>(
        time: PausedTime,
        layer: &CircuitBreakerLayer<B, C>,
        primary: Simulated,
        last_call: Rc<LastCall>,
    ) -> Self
    where
        CircuitBreakerLayer<B, C>: Layer<Simulated, Service = S>,
    {
        Self {
            time,
            service: layer.layer(primary),
            breaker: layer.breaker().clone(),
            last_call,
            calls: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<S> Contestant for OurLayer<S>
where
    S: Service<(), Response = (), Error = Failed>,
{
    fn ask(&mut self, _: Call, now: Timestamp) -> Route {
        let _time = self.time.set(now);
        let mut context = Context::from_waker(Waker::noop());
        assert!(
            self.service.poll_ready(&mut context).is_ready(),
            "the primary is always ready, and no layer waits"
        );
        let mut future = Box::pin(self.service.call(()));
        let answered = future.as_mut().poll(&mut context).is_ready();
        let id = self.free.pop().unwrap_or_else(|| {
            self.calls.push(None);
            self.calls.len() - 1
        });
        match self.last_call.reached.take() {
            Some((side, end)) => {
                self.calls[id] = Some(InFlight { future, end });
                match side {
                    Side::Primary => Route::Primary(CallId(id as u64)),
                    Side::Backup => Route::Refused(CallId(id as u64)),
                }
            }
            None => {
                assert!(answered, "a call that reaches no service is rejected");
                Route::Refused(CallId(id as u64))
            }
        }
    }

    fn primary_ended(&mut self, CallId(id): CallId, end: End, now: Timestamp) {
        let _time = self.time.set(now);
        self.free.push(id as usize);
        let Some(mut call) = self.calls[id as usize].take() else {
            return; // It was rejected.
        };
        if end != End::Dropped {
            call.end.set(Some(end));
            let answered = call.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(answered.is_ready(), "an answer is passed on at once");
        }
    }

    fn backup_ended(&mut self, id: CallId, end: End, now: Timestamp) {
        self.primary_ended(id, end, now);
    }

    fn gate(&self, now: Timestamp) -> Gate {
        let _time = self.time.set(now);
        match self.breaker.state() {
            State::Closed => Gate::Closed,
            State::HalfOpen => Gate::HalfOpen,
            _ => Gate::Open,
        }
    }
}

impl<S: Service<()>> fmt::Debug for OurLayer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OurLayer")
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

/// The last call that reached a service, until `ask` takes it.
#[derive(Debug, Default)]
struct LastCall {
    reached: RefCell<Option<(Side, Ending)>>,
}

/// How a call ends. Empty until the simulator knows.
type Ending = Rc<Cell<Option<End>>>;

#[derive(Clone, Copy, Debug)]
enum Side {
    Primary,
    Backup,
}

/// A service that answers when the simulator says so.
#[derive(Clone, Debug)]
struct Simulated {
    last_call: Rc<LastCall>,
    side: Side,
}

impl Simulated {
    fn new(last_call: &Rc<LastCall>, side: Side) -> Self {
        Self {
            last_call: last_call.clone(),
            side,
        }
    }
}

/// The error of the primary and of the breaker.
#[derive(Debug)]
pub struct Failed;

impl From<CircuitOpen> for Failed {
    fn from(_: CircuitOpen) -> Self {
        Self
    }
}

impl Service<()> for Simulated {
    type Response = ();
    type Error = Failed;
    type Future = SimulatedResponse;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> SimulatedResponse {
        let end = Rc::new(Cell::new(None));
        *self.last_call.reached.borrow_mut() = Some((self.side, end.clone()));
        SimulatedResponse(end)
    }
}

/// A future that is pending until the simulator says how the call ends.
#[derive(Debug)]
struct SimulatedResponse(Ending);

impl Future for SimulatedResponse {
    type Output = Result<(), Failed>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.get() {
            None => Poll::Pending,
            Some(End::Success) => Poll::Ready(Ok(())),
            Some(End::Failure | End::Dropped) => Poll::Ready(Err(Failed)),
        }
    }
}

/// Tokio's paused clock, which the simulator moves.
#[derive(Clone, Debug)]
struct PausedTime {
    runtime: Rc<Runtime>,
    start: Instant,
}

thread_local! {
    /// One for all contestants on a thread. Its clock never goes back.
    static RUNTIME: Rc<Runtime> = Rc::new(
        runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime with nothing but a clock needs nothing from the system"),
    );
}

impl PausedTime {
    fn start() -> Self {
        let runtime = RUNTIME.with(Clone::clone);
        let start = {
            let _entered = runtime.enter();
            Instant::now()
        };
        Self { runtime, start }
    }

    /// Moves the clock to `now` and enters the runtime. Nothing here waits for a timer, so that no
    /// timer has to fire.
    fn set(&self, now: Timestamp) -> runtime::EnterGuard<'_> {
        let entered = self.runtime.enter();
        let ahead = (self.start + now.since(Timestamp::START)).duration_since(Instant::now());
        if !ahead.is_zero() {
            let polled = pin!(advance(ahead)).poll(&mut Context::from_waker(Waker::noop()));
            debug_assert!(polled.is_pending(), "it yields once the clock has moved");
        }
        entered
    }
}

/// A layer for each key, like in a service with one breaker per shard or host.
pub struct Keyed {
    time: PausedTime,
    config: Config,
    seed: u64,
    rejects: bool,
    /// By key. A layer is made when its key is first called.
    each: Vec<Option<Box<dyn Contestant>>>,
}

impl Keyed {
    /// Creates the contestant. The run starts now.
    pub fn new(config: Config, seed: u64, rejects: bool) -> Self {
        Self {
            time: PausedTime::start(),
            config,
            seed,
            rejects,
            each: Vec::new(),
        }
    }

    fn of(&mut self, key: u32) -> &mut dyn Contestant {
        let index = key as usize;
        if self.each.len() <= index {
            self.each.resize_with(index + 1, || None);
        }
        let make = || {
            let seed = self.seed.wrapping_mul(31).wrapping_add(u64::from(key));
            let builder = CircuitBreakerLayer::builder().config(self.config.clone()).seed(seed);
            layer_contestant(self.time.clone(), builder, self.rejects)
        };
        self.each[index].get_or_insert_with(make).as_mut()
    }
}

/// A call's number has its key above these bits, and the number at that key's layer below.
const KEY_SHIFT: u32 = 40;

impl Contestant for Keyed {
    fn ask(&mut self, call: Call, now: Timestamp) -> Route {
        let with_key = |CallId(id)| CallId(id | u64::from(call.key) << KEY_SHIFT);
        match self.of(call.key).ask(call, now) {
            Route::Primary(id) => Route::Primary(with_key(id)),
            Route::Refused(id) => Route::Refused(with_key(id)),
        }
    }

    fn primary_ended(&mut self, CallId(id): CallId, end: End, now: Timestamp) {
        let own = CallId(id & ((1 << KEY_SHIFT) - 1));
        self.of((id >> KEY_SHIFT) as u32).primary_ended(own, end, now);
    }

    fn backup_ended(&mut self, CallId(id): CallId, end: End, now: Timestamp) {
        let own = CallId(id & ((1 << KEY_SHIFT) - 1));
        self.of((id >> KEY_SHIFT) as u32).backup_ended(own, end, now);
    }

    /// Open if any layer is open, closed if all are.
    fn gate(&self, now: Timestamp) -> Gate {
        let gates = self.each.iter().flatten().map(|contestant| contestant.gate(now));
        gates.fold(Gate::Closed, |one, other| match (one, other) {
            (Gate::Open, _) | (_, Gate::Open) => Gate::Open,
            (Gate::HalfOpen, _) | (_, Gate::HalfOpen) => Gate::HalfOpen,
            (Gate::Closed, Gate::Closed) => Gate::Closed,
        })
    }
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
