use std::time::Duration;

use futures::{FutureExt, StreamExt};
use tower_breaker::{
    Breaker, CircuitBreakerLayer, Config, Outcome, State,
    observe::Transition,
    policy::{ConsecutiveFailures, FailureRate},
    recovery::Recovery,
};

use crate::common::clock::ManualClock;

fn config() -> Config {
    Config::new("payments")
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(Duration::from_secs(5))
}

fn breaker(clock: &ManualClock) -> Breaker {
    let layer = CircuitBreakerLayer::builder().config(config()).clock(clock.clone());
    layer.build().unwrap().breaker().clone()
}

fn fail(breaker: &Breaker) {
    breaker.try_acquire().unwrap().record(Outcome::Failure);
}

fn assert_an_invalid_config_changes_nothing(breaker: &Breaker) {
    let mut events = breaker.subscribe();
    let before = (breaker.config(), breaker.snapshot());
    for (invalid, field) in [
        (config().slow_after(Duration::MAX), "slow_after"),
        (
            config().trip_when(FailureRate::at_least(f64::NAN)),
            "failure_rate.threshold",
        ),
        (config().open_duration(Duration::ZERO), "open_duration"),
        (
            config().recovery(Recovery::permitted_calls(0)),
            "recovery.permitted_calls",
        ),
        (Config::new(""), "name"),
    ] {
        assert_eq!(breaker.reconfigure(invalid).unwrap_err().field(), field);
        assert_eq!((breaker.config(), breaker.snapshot()), before);
    }
    assert!(events.next().now_or_never().is_none());
}

#[test]
fn an_invalid_config_changes_nothing_in_any_state() {
    let clock = ManualClock::default();
    let breaker = breaker(&clock);
    fail(&breaker);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Closed);
    assert_an_invalid_config_changes_nothing(&breaker);

    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
    assert_an_invalid_config_changes_nothing(&breaker);

    clock.advance(Duration::from_secs(5));
    assert_eq!(breaker.state(), State::ReadyToProbe);
    assert_an_invalid_config_changes_nothing(&breaker);

    let probe = breaker.try_acquire().unwrap();
    assert_eq!(breaker.state(), State::HalfOpen);
    assert_an_invalid_config_changes_nothing(&breaker);
    probe.record(Outcome::Success);
    assert_eq!(breaker.snapshot().share, 20);
}

#[test]
fn a_valid_config_is_taken_over_but_for_the_name() {
    let breaker = breaker(&ManualClock::default());
    let mut events = breaker.subscribe();
    let other = config().trip_when(ConsecutiveFailures::of(1));
    breaker
        .reconfigure(
            Config::new("other")
                .trip_when(ConsecutiveFailures::of(1))
                .open_duration(Duration::from_secs(5)),
        )
        .unwrap();
    assert_eq!(breaker.config(), other);
    let event = events.next().now_or_never().flatten().unwrap();
    assert_eq!(event.transition, Transition::Reconfigured);

    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
}
