//! This project's own rows: the layer itself, its futures and permits, on tokio's paused clock.

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
use tower_breaker::{Breaker, CircuitBreakerLayer, CircuitOpen, Config, State, clock::Timestamp, layer::CircuitBreakerLayerBuilder};

use crate::contestant::{Call, Contestant, End, Gate, Pass, Route};

/// The layer around a primary that the simulator plays.
pub struct OurLayer<S: Service<()>> {
    time: PausedTime,
    service: S,
    breaker: Breaker,
    stage: Rc<Stage>,
    calls: Vec<Option<InFlight<S::Future>>>,
    free: Vec<usize>,
}

struct InFlight<F> {
    future: Pin<Box<F>>,
    curtain: Verdict,
}

/// The layer that is built from this, with a backup, or with none. The run starts now.
pub fn contestant(builder: CircuitBreakerLayerBuilder, rejects: bool) -> Box<dyn Contestant> {
    joining(PausedTime::start(), builder, rejects)
}

/// A layer that is made in the course of a run.
fn joining(time: PausedTime, builder: CircuitBreakerLayerBuilder, rejects: bool) -> Box<dyn Contestant> {
    let stage = Rc::new(Stage::default());
    // The layer's clock starts when the layer is made.
    let runtime = time.runtime.clone();
    let entered = runtime.enter();
    let primary = Actor::new(&stage, Part::Primary);
    let sound = "the benchmark's own settings are sound";
    if rejects {
        let layer = builder.build().expect(sound);
        drop(entered);
        Box::new(OurLayer::new(time, &layer, primary, stage))
    } else {
        let layer = builder.backup(Actor::new(&stage, Part::Backup)).build().expect(sound);
        drop(entered);
        Box::new(OurLayer::new(time, &layer, primary, stage))
    }
}

impl<S: Service<()>> OurLayer<S> {
    fn new<B, C>(time: PausedTime, layer: &CircuitBreakerLayer<B, C>, primary: Actor, stage: Rc<Stage>) -> Self
    where
        CircuitBreakerLayer<B, C>: Layer<Actor, Service = S>,
    {
        Self {
            time,
            service: layer.layer(primary),
            breaker: layer.breaker().clone(),
            stage,
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
        let pass = self.free.pop().unwrap_or_else(|| {
            self.calls.push(None);
            self.calls.len() - 1
        });
        match self.stage.called.take() {
            Some((part, curtain)) => {
                self.calls[pass] = Some(InFlight { future, curtain });
                match part {
                    Part::Primary => Route::Primary(Pass(pass as u64)),
                    Part::Backup => Route::Refused(Pass(pass as u64)),
                }
            }
            None => {
                assert!(answered, "a call that reaches nobody is rejected");
                Route::Refused(Pass(pass as u64))
            }
        }
    }

    fn primary_ended(&mut self, Pass(pass): Pass, end: End, now: Timestamp) {
        let _time = self.time.set(now);
        self.free.push(pass as usize);
        let Some(mut call) = self.calls[pass as usize].take() else {
            return; // It was rejected.
        };
        if end != End::Dropped {
            call.curtain.set(Some(end));
            let answered = call.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(answered.is_ready(), "an answer is passed on at once");
        }
    }

    fn backup_ended(&mut self, pass: Pass, end: End, now: Timestamp) {
        self.primary_ended(pass, end, now);
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

/// Where a service that was called leaves word.
#[derive(Debug, Default)]
struct Stage {
    called: RefCell<Option<(Part, Verdict)>>,
}

/// How a call ends, once that is known.
type Verdict = Rc<Cell<Option<End>>>;

#[derive(Clone, Copy, Debug)]
enum Part {
    Primary,
    Backup,
}

/// A service that answers when the simulator says so.
#[derive(Clone, Debug)]
struct Actor {
    stage: Rc<Stage>,
    part: Part,
}

impl Actor {
    fn new(stage: &Rc<Stage>, part: Part) -> Self {
        Self {
            stage: stage.clone(),
            part,
        }
    }
}

/// The primary's error, and any other.
#[derive(Debug)]
pub struct Failed;

impl From<CircuitOpen> for Failed {
    fn from(_: CircuitOpen) -> Self {
        Self
    }
}

impl Service<()> for Actor {
    type Response = ();
    type Error = Failed;
    type Future = Curtain;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Curtain {
        let curtain = Rc::new(Cell::new(None));
        *self.stage.called.borrow_mut() = Some((self.part, curtain.clone()));
        Curtain(curtain)
    }
}

/// Pending until the simulator says how the call ends.
#[derive(Debug)]
struct Curtain(Verdict);

impl Future for Curtain {
    type Output = Result<(), Failed>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.get() {
            None => Poll::Pending,
            Some(End::Success) => Poll::Ready(Ok(())),
            Some(End::Failure | End::Dropped) => Poll::Ready(Err(Failed)),
        }
    }
}

/// tokio's paused clock, which the simulator moves.
#[derive(Clone, Debug)]
struct PausedTime {
    runtime: Rc<Runtime>,
    start: Instant,
}

thread_local! {
    /// One for all the contestants on a thread; its clock only ever goes on.
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

    /// Brings the clock to a moment of this run, and enters the runtime. Nothing here waits for a timer, so none has to be fired.
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

/// A layer for each key, as a service with one breaker per shard or host has it.
pub struct Keyed {
    time: PausedTime,
    config: Config,
    seed: u64,
    rejects: bool,
    /// By key; made when the key is first called.
    each: Vec<Option<Box<dyn Contestant>>>,
}

impl Keyed {
    /// The run starts now.
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
            joining(self.time.clone(), builder, self.rejects)
        };
        self.each[index].get_or_insert_with(make).as_mut()
    }
}

/// A pass of one key's breaker is one of all of them with the key above it.
const KEY_SHIFT: u32 = 40;

impl Contestant for Keyed {
    fn ask(&mut self, call: Call, now: Timestamp) -> Route {
        let with_key = |Pass(pass)| Pass(pass | u64::from(call.key) << KEY_SHIFT);
        match self.of(call.key).ask(call, now) {
            Route::Primary(pass) => Route::Primary(with_key(pass)),
            Route::Refused(pass) => Route::Refused(with_key(pass)),
        }
    }

    fn primary_ended(&mut self, Pass(pass): Pass, end: End, now: Timestamp) {
        let own = Pass(pass & ((1 << KEY_SHIFT) - 1));
        self.of((pass >> KEY_SHIFT) as u32).primary_ended(own, end, now);
    }

    fn backup_ended(&mut self, Pass(pass): Pass, end: End, now: Timestamp) {
        let own = Pass(pass & ((1 << KEY_SHIFT) - 1));
        self.of((pass >> KEY_SHIFT) as u32).backup_ended(own, end, now);
    }

    /// Closed where all are, open where one is.
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
