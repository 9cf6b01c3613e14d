//! What the tests share: a default of everything, of which each test changes one thing.

use std::{
    future::{Future, Ready, pending, ready},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tower::{BoxError, Service};
use tower_breaker::{
    Breaker, CircuitBreakerLayer, Outcome,
    clock::Clock,
    layer::CircuitBreakerLayerBuilder,
    machine::{Completion, Machine, Settings, Settled, Ticket, Timestamp},
    policy::ConsecutiveFailures,
};

pub(crate) const GOOD: Completion = Completion::Finished(Outcome::Success);
pub(crate) const BAD: Completion = Completion::Finished(Outcome::Failure);
pub(crate) const IGNORED: Completion = Completion::Finished(Outcome::Ignored);

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A moment, in milliseconds since the clock began.
pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::START + ms(millis)
}

/// Trips at the third bad call in a row, stays open for exactly one second.
pub(crate) fn settings() -> Settings {
    Settings::default()
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(ms(1000))
}

pub(crate) fn machine(settings: Settings) -> Machine {
    Machine::new(settings, 1).unwrap()
}

/// A reproducible stream of numbers between 0 and 1.
pub(crate) fn chances(mut seed: u64) -> impl Iterator<Item = f64> {
    std::iter::repeat_with(move || {
        // An LCG (Knuth, MMIX).
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    })
}

/// One call that takes no time.
pub(crate) fn call(machine: &mut Machine, completion: Completion, now: Timestamp) -> Settled {
    let ticket = machine.admit(now).expect("admitted");
    machine.settle(ticket, completion, now)
}

/// A machine with [`settings`] that tripped at 0 ms, and a ticket from before.
pub(crate) fn tripped() -> (Machine, Ticket) {
    let mut machine = machine(settings());
    let stale = machine.admit(at(0)).unwrap();
    for _ in 0..3 {
        call(&mut machine, BAD, at(0));
    }
    (machine, stale)
}

/// As [`settings`], for a layer.
pub(crate) fn builder() -> CircuitBreakerLayerBuilder {
    CircuitBreakerLayer::builder()
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(ms(1000))
}

/// Trips a breaker that was built by [`builder`].
pub(crate) fn trip(breaker: &Breaker) {
    for _ in 0..3 {
        breaker.try_acquire().expect("closed").record(Outcome::Failure);
    }
    assert!(breaker.try_acquire().is_err());
}

/// Brings a breaker that was built by [`builder`] to where it would probe.
pub(crate) async fn trip_and_cool(breaker: &Breaker) {
    trip(breaker);
    tokio::time::sleep(ms(1001)).await;
}

/// What a [`Primary`] does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Answers,
    Fails,
    Hangs,
    NeverReady,
    ReadinessFails,
    PanicsInReadiness,
    PanicsInCall,
    PanicsInFuture,
}

/// A service whose behaviour the test sets, and which panics when it is called unready.
#[derive(Debug)]
pub(crate) struct Primary {
    control: Arc<Control>,
    ready: bool,
}

#[derive(Debug)]
pub(crate) struct Control {
    behaviour: Mutex<Behaviour>,
    pub(crate) calls: AtomicU32,
    pub(crate) polls: AtomicU32,
    called_unready: AtomicBool,
}

impl Control {
    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    fn behaviour(&self) -> Behaviour {
        *self.behaviour.lock().unwrap()
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn polls(&self) -> u32 {
        self.polls.load(Ordering::SeqCst)
    }

    pub(crate) fn was_called_unready(&self) -> bool {
        self.called_unready.load(Ordering::SeqCst)
    }
}

pub(crate) fn primary(behaviour: Behaviour) -> (Primary, Arc<Control>) {
    let control = Arc::new(Control {
        behaviour: Mutex::new(behaviour),
        calls: AtomicU32::new(0),
        polls: AtomicU32::new(0),
        called_unready: AtomicBool::new(false),
    });
    let primary = Primary {
        control: control.clone(),
        ready: false,
    };
    (primary, control)
}

impl Clone for Primary {
    fn clone(&self) -> Self {
        Self {
            control: self.control.clone(),
            ready: false,
        }
    }
}

pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<&'static str, BoxError>> + Send>>;

impl Service<u32> for Primary {
    type Response = &'static str;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.control.polls.fetch_add(1, Ordering::SeqCst);
        match self.control.behaviour() {
            Behaviour::NeverReady => Poll::Pending,
            Behaviour::PanicsInReadiness => panic!("on purpose, in poll_ready"),
            Behaviour::ReadinessFails => Poll::Ready(Err("not ready, ever".into())),
            _ => {
                self.ready = true;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn call(&mut self, _: u32) -> Answer {
        if !std::mem::take(&mut self.ready) {
            self.control.called_unready.store(true, Ordering::SeqCst);
        }
        self.control.calls.fetch_add(1, Ordering::SeqCst);
        match self.control.behaviour() {
            Behaviour::Fails => Box::pin(ready(Err("failed".into()))),
            Behaviour::Hangs => Box::pin(pending()),
            Behaviour::PanicsInCall => panic!("on purpose, in call"),
            Behaviour::PanicsInFuture => Box::pin(async { panic!("on purpose, in the future") }),
            _ => Box::pin(ready(Ok("primary"))),
        }
    }
}

/// A backup that is ready and answers at once.
#[derive(Clone, Debug)]
pub(crate) struct Spare;

impl Service<u32> for Spare {
    type Response = &'static str;
    type Error = BoxError;
    type Future = Ready<Result<&'static str, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        ready(Ok("backup"))
    }
}

/// A clock that a test sets, backwards too.
#[derive(Clone, Debug, Default)]
pub(crate) struct ManualClock(Arc<Mutex<Duration>>);

impl ManualClock {
    pub(crate) fn set(&self, now: Duration) {
        *self.0.lock().unwrap() = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}
