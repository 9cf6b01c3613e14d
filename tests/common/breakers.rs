//! Breakers that trip at the third bad call in a row, and the calls that trip them.

use tower_breaker::{
    Breaker, CircuitBreakerLayer, Outcome,
    layer::CircuitBreakerLayerBuilder,
    policy::{ConsecutiveFailures, TripReason},
};

use super::durations::ms;

/// Trips at the third bad call in a row, stays open for exactly one second.
pub(crate) fn builder() -> CircuitBreakerLayerBuilder {
    CircuitBreakerLayer::builder()
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(ms(1000))
}

/// Makes one call that takes no time.
pub(crate) fn call(breaker: &Breaker, outcome: Outcome) {
    breaker.try_acquire().expect("it lets calls through").record(outcome);
}

/// Makes three bad calls, and returns whether the breaker refuses the next one.
pub(crate) fn trips(breaker: &Breaker) -> bool {
    for _ in 0..3 {
        call(breaker, Outcome::Failure);
    }
    breaker.try_acquire().is_err()
}

/// Trips a breaker that was built by [`builder`].
pub(crate) fn trip(breaker: &Breaker) {
    assert!(trips(breaker));
}

/// [`builder`], with a name.
pub(crate) fn named(name: &str) -> CircuitBreakerLayerBuilder {
    builder().name(name)
}

/// A reason to trip that the calls don't give.
pub(crate) fn disk_is_full() -> TripReason {
    TripReason::custom("disk", 99.0, 95.0)
}

/// Trips a breaker that was built by [`builder`], and waits until it would probe.
pub(crate) async fn trip_and_cool(breaker: &Breaker) {
    trip(breaker);
    tokio::time::sleep(ms(1001)).await;
}
