//! Breakers in a registry, as the console and the telemetry show them.

use tower_breaker::{CircuitBreakerLayer, Outcome, policy::ConsecutiveFailures, registry::Registry};

use super::durations::{ms, secs};

/// Trips at the third bad call in a row, stays open for exactly ten seconds.
pub(crate) fn layer(registry: &Registry, name: &str) -> CircuitBreakerLayer {
    CircuitBreakerLayer::builder()
        .name(name)
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(secs(10))
        .slow_after(ms(300))
        .registry(registry)
        .build()
        .unwrap()
}

/// Makes one call that takes no time.
pub(crate) fn call(layer: &CircuitBreakerLayer, outcome: Outcome) {
    super::breakers::call(layer.breaker(), outcome);
}

/// Makes three bad calls.
pub(crate) fn trip(layer: &CircuitBreakerLayer) {
    for _ in 0..3 {
        call(layer, Outcome::Failure);
    }
}
