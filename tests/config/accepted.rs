use std::time::Duration;

use tower_breaker::{
    CircuitBreakerLayer, Evidence,
    layer::CircuitBreakerLayerBuilder,
    policy::{ConsecutiveFailures, FailureRate, SlidingWindow, SlowCallRate},
    recovery::{OpenDuration, Recovery},
};

const NANOSECOND: Duration = Duration::from_nanos(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn assert_accepted(with: impl FnOnce(CircuitBreakerLayerBuilder) -> CircuitBreakerLayerBuilder) {
    let builder = with(CircuitBreakerLayer::builder());
    let shown = format!("{builder:?}");
    assert!(builder.build().is_ok(), "{shown}");
}

#[test]
fn the_defaults() {
    assert_accepted(|builder| builder);
}

#[test]
fn the_first_and_last_values_of_each_range() {
    for duration in [NANOSECOND, YEAR] {
        assert_accepted(|builder| builder.slow_after(duration));
        assert_accepted(|builder| builder.open_duration(duration));
        assert_accepted(|builder| builder.open_duration(OpenDuration::growing(NANOSECOND, duration)));
        assert_accepted(|builder| builder.open_duration(OpenDuration::default().honor_retry_after(duration)));
        assert_accepted(|builder| builder.recovery(Recovery::gradual().stage_duration(duration)));
        assert_accepted(|builder| builder.recovery(Recovery::gradual().probe_timeout(duration)));
        assert_accepted(|builder| builder.trip_when(Evidence::default().sustained_for(duration)));
    }
    for rate in [f64::from_bits(1), 1.0] {
        assert_accepted(|builder| builder.trip_when(FailureRate::at_least(rate)));
        assert_accepted(|builder| builder.slow_after(YEAR).trip_when(SlowCallRate::at_least(rate)));
        assert_accepted(|builder| builder.recovery(Recovery::permitted_calls(1).bad_rate(rate)));
    }
    for window in [
        SlidingWindow::last_calls(1),
        SlidingWindow::last_calls(SlidingWindow::MAX_CALLS),
        SlidingWindow::last(Duration::from_millis(1)),
        SlidingWindow::last(YEAR),
    ] {
        assert_accepted(|builder| builder.trip_when(FailureRate::at_least(0.5).over(window).minimum_calls(1)));
    }
    for excess in [1.0, 1e9] {
        assert_accepted(|builder| builder.trip_when(Evidence::default().minimum_excess(excess)));
        assert_accepted(|builder| builder.recovery(Recovery::gradual().net_failures(excess)));
    }
    for tolerated in [0.001, 0.999] {
        assert_accepted(|builder| builder.trip_when(Evidence::tolerating(tolerated)));
    }
    for factor in [1.0, 100.0] {
        assert_accepted(|builder| builder.open_duration(OpenDuration::default().factor(factor)));
    }
    for jitter in [0.0, 1.0] {
        assert_accepted(|builder| builder.open_duration(OpenDuration::default().jitter(jitter)));
    }
    for calls in [0, u32::MAX] {
        assert_accepted(|builder| builder.open_duration(OpenDuration::default().refused_before_trial(calls)));
    }
    for calls in [1, u64::MAX] {
        assert_accepted(|builder| builder.trip_when(ConsecutiveFailures::of(calls)));
    }
    for calls in [1, u32::MAX] {
        assert_accepted(|builder| builder.recovery(Recovery::gradual().successes(calls)));
    }
    for calls in [1, 1_000_000] {
        assert_accepted(|builder| builder.recovery(Recovery::permitted_calls(calls)));
    }
    for stages in [vec![100], (1..=100).collect()] {
        assert_accepted(|builder| builder.recovery(Recovery::gradual().stages(stages)));
    }
    for name in ["n".to_owned(), "n".repeat(256), "é".repeat(128)] {
        assert_accepted(|builder| builder.name(name));
    }
}

#[test]
fn evidence_that_need_not_last() {
    assert_accepted(|builder| builder.trip_when(Evidence::default().sustained_for(Duration::ZERO)));
}

#[test]
fn minimum_calls_up_to_the_whole_window() {
    let failures = FailureRate::at_least(0.5).over(SlidingWindow::last_calls(10));
    assert_accepted(|builder| builder.trip_when(failures.minimum_calls(10)));
    let failures = failures.over(SlidingWindow::last(YEAR));
    assert_accepted(|builder| builder.trip_when(failures.minimum_calls(u64::MAX)));
}

#[test]
fn a_window_smaller_than_twenty_calls_whose_minimum_follows_it() {
    let failures = FailureRate::at_least(0.5).over(SlidingWindow::last_calls(3));
    assert_accepted(|builder| builder.trip_when(failures));
}

#[test]
fn an_open_duration_that_grows_to_where_it_began() {
    assert_accepted(|builder| builder.open_duration(OpenDuration::growing(YEAR, YEAR)));
}
