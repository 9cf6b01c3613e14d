//! A check whose behavior the test sets.

use std::{
    future::{Future, pending, ready},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use tower::Service;
use tower_breaker::{
    Breaker,
    agent::{Agent, AgentBuilder},
    layer::CircuitBreakerLayerBuilder,
};

use crate::common::breakers;

pub(crate) use crate::common::{durations::*, primary::Behavior};

/// Trips at the third bad call in a row, stays open for exactly two seconds.
pub(crate) fn builder(name: &str) -> CircuitBreakerLayerBuilder {
    breakers::named(name).open_duration(secs(2))
}

pub(crate) fn breaker() -> Breaker {
    builder("instance").build().unwrap().breaker().clone()
}

/// A check every ten seconds, exactly.
pub(crate) fn agent() -> AgentBuilder {
    Agent::builder().every(secs(10)).jitter(0.0).seed(1)
}

#[derive(Clone, Debug)]
pub(crate) struct Checked {
    behavior: Arc<Mutex<Behavior>>,
    begun: Arc<AtomicU32>,
    in_flight: Arc<AtomicU32>,
    most_in_flight: Arc<AtomicU32>,
}

impl Checked {
    pub(crate) fn new(behavior: Behavior) -> Self {
        Self {
            behavior: Arc::new(Mutex::new(behavior)),
            begun: Arc::default(),
            in_flight: Arc::default(),
            most_in_flight: Arc::default(),
        }
    }

    pub(crate) fn set(&self, behavior: Behavior) {
        *self.behavior.lock().unwrap() = behavior;
    }

    fn behavior(&self) -> Behavior {
        *self.behavior.lock().unwrap()
    }

    /// How many checks have been begun.
    pub(crate) fn begun(&self) -> u32 {
        self.begun.load(Ordering::SeqCst)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn most_in_flight(&self) -> u32 {
        self.most_in_flight.load(Ordering::SeqCst)
    }
}

/// Counts itself as in flight while it lives.
struct InFlight(Arc<AtomicU32>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service<()> for Checked {
    type Response = &'static str;
    type Error = String;
    type Future = Pin<Box<dyn Future<Output = Result<&'static str, String>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        match self.behavior() {
            Behavior::NeverReady => Poll::Pending,
            Behavior::PanicsInReadiness => panic!("on purpose"),
            Behavior::ReadinessFails => Poll::Ready(Err("not ready, ever".to_owned())),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        let in_flight = InFlight(self.in_flight.clone());
        let behavior = self.behavior();
        assert!(behavior != Behavior::PanicsInCall, "on purpose");
        Box::pin(async move {
            let _in_flight = in_flight;
            match behavior {
                Behavior::Hangs => pending().await,
                Behavior::PanicsInFuture => panic!("on purpose"),
                Behavior::Fails => ready(Err("the disk\nis full".to_owned())).await,
                _ => Ok("healthy"),
            }
        })
    }
}
