//! Models of what the threads of a breaker share: loom runs each in every order of events, with up
//! to three switches of threads at points where none has to be.
//!
//! `cargo test` in this folder runs them all.

#![cfg(test)]

mod answering;
mod backup;
mod counts;
mod half_open;
mod in_flight;
mod overdue;
mod refused;
mod reuse;
mod stale;
mod waiting;

use std::{sync::Arc, time::Duration};

use loom::sync::atomic::{AtomicU64, Ordering};
use tower_breaker::{Breaker, CircuitBreakerLayer, clock::Clock, layer::CircuitBreakerLayerBuilder};

/// A clock that is set by hand, at any point in what the others do.
#[derive(Clone, Debug, Default)]
struct HandClock(Arc<AtomicU64>);

impl HandClock {
    fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

fn model(run: impl Fn() + Send + Sync + 'static) {
    model_with(3, run);
}

fn model_with(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.max_branches = 100_000;
    model.check(run);
}

fn breaker(
    clock: &HandClock,
    settings: impl FnOnce(CircuitBreakerLayerBuilder) -> CircuitBreakerLayerBuilder,
) -> Breaker {
    let builder = settings(CircuitBreakerLayer::builder().clock(clock.clone()).seed(0));
    builder.build().expect("the settings are valid").breaker().clone()
}
