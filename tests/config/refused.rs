//! Rule 19: bad configuration is refused, and each mistake has its own message.

use std::time::Duration;

use tower_breaker::{
    CircuitBreakerLayer, ConfigError, Evidence,
    layer::CircuitBreakerLayerBuilder,
    policy::{ConsecutiveFailures, Counts, FailureRate, SlidingWindow, SlowCallRate, TripPolicy, TripReason},
    recovery::{OpenDuration, Recovery},
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const NOT_RATES: [f64; 7] = [0.0, -0.0, -0.1, 1.000_001, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
const RATE: &str = "a rate above 0 and up to 1";
const DURATION: &str = "a duration above 0 and up to 365 days";

fn builder() -> CircuitBreakerLayerBuilder {
    CircuitBreakerLayer::builder()
}

fn error_of(builder: CircuitBreakerLayerBuilder) -> ConfigError {
    match builder.build() {
        Ok(layer) => panic!("{:?} was accepted", layer.breaker().config()),
        Err(error) => error,
    }
}

fn assert_refused(builder: CircuitBreakerLayerBuilder, field: &str, value: &str, accepted: &str) {
    let error = error_of(builder);
    assert_eq!(
        (error.field(), error.value(), error.accepted()),
        (field, Some(value), Some(accepted))
    );
    assert_eq!(error.to_string(), format!("{field} must be {accepted}, but is {value}"));
}

/// Asserts that a setting is refused whatever its value, in these words.
fn assert_unwanted(builder: CircuitBreakerLayerBuilder, field: &str, message: &str) {
    let error = error_of(builder);
    assert_eq!((error.field(), error.value(), error.accepted()), (field, None, None));
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_message_reads_as_a_sentence() {
    assert_eq!(
        error_of(builder().trip_when(FailureRate::at_least(50.0))).to_string(),
        "failure_rate.threshold must be a rate above 0 and up to 1, but is 50"
    );
    assert_eq!(
        error_of(builder().trip_when(SlowCallRate::at_least(0.5))).to_string(),
        "slow_after is missing: the slow-call rate needs a duration or `learned`"
    );
    assert_eq!(
        error_of(builder().open_duration(OpenDuration::growing(YEAR, YEAR / 365))).to_string(),
        "open_duration.max must be at least the initial duration, 31536000s, but is 86400s"
    );
}

#[test]
fn a_rate_out_of_range() {
    type With = fn(f64) -> CircuitBreakerLayerBuilder;
    let fields: [(&str, With); 3] = [
        ("failure_rate.threshold", |rate| {
            builder().trip_when(FailureRate::at_least(rate))
        }),
        ("slow_call_rate.threshold", |rate| {
            builder().slow_after(YEAR).trip_when(SlowCallRate::at_least(rate))
        }),
        ("recovery.bad_rate", |rate| {
            builder().recovery(Recovery::permitted_calls(10).bad_rate(rate))
        }),
    ];
    for (field, with) in fields {
        for rate in NOT_RATES {
            assert_refused(with(rate), field, &rate.to_string(), RATE);
        }
    }
}

#[test]
fn a_tolerated_rate_out_of_range() {
    for rate in NOT_RATES.into_iter().chain([0.000_999, 0.999_1, 1.0]) {
        let builder = builder().trip_when(Evidence::tolerating(rate));
        let accepted = "a rate from 0.001 to 0.999";
        assert_refused(builder, "evidence.tolerated_rate", &rate.to_string(), accepted);
    }
}

#[test]
fn an_excess_out_of_range() {
    for excess in [
        0.0,
        0.999,
        -8.0,
        1e9 + 1.0,
        f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ] {
        let accepted = "a number from 1 to 1e9";
        let evidence = builder().trip_when(Evidence::default().minimum_excess(excess));
        assert_refused(evidence, "evidence.minimum_excess", &excess.to_string(), accepted);
        let recovery = builder().recovery(Recovery::gradual().net_failures(excess));
        assert_refused(recovery, "recovery.net_failures", &excess.to_string(), accepted);
    }
}

#[test]
fn a_duration_of_nothing_or_of_more_than_a_year() {
    type With = fn(Duration) -> CircuitBreakerLayerBuilder;
    let fields: [(&str, With); 7] = [
        ("slow_after", |duration| builder().slow_after(duration)),
        ("open_duration", |duration| builder().open_duration(duration)),
        ("open_duration", |duration| {
            builder().open_duration(OpenDuration::growing(duration, Duration::from_secs(1)))
        }),
        ("open_duration.max", |duration| {
            builder().open_duration(OpenDuration::growing(Duration::from_nanos(1), duration))
        }),
        ("open_duration.retry_after_cap", |cap| {
            builder().open_duration(OpenDuration::default().honor_retry_after(cap))
        }),
        ("recovery.stage_duration", |duration| {
            builder().recovery(Recovery::gradual().stage_duration(duration))
        }),
        ("recovery.probe_timeout", |duration| {
            builder().recovery(Recovery::permitted_calls(1).probe_timeout(duration))
        }),
    ];
    for (field, with) in fields {
        for (duration, shown) in [
            (Duration::ZERO, "0ns"),
            (YEAR + Duration::from_nanos(1), "31536000.000000001s"),
            (Duration::MAX, "18446744073709551615.999999999s"),
        ] {
            assert_refused(with(duration), field, shown, DURATION);
        }
    }
}

#[test]
fn evidence_that_has_to_last_for_more_than_a_year() {
    for duration in [YEAR + Duration::from_nanos(1), Duration::MAX] {
        let builder = builder().trip_when(Evidence::default().sustained_for(duration));
        assert_refused(builder, "evidence.sustained_for", &format!("{duration:?}"), DURATION);
    }
}

/// Policies over this window, under the names that their errors begin with.
fn over(window: SlidingWindow) -> [(&'static str, CircuitBreakerLayerBuilder); 3] {
    #[derive(Debug)]
    struct Own(SlidingWindow);

    impl TripPolicy for Own {
        fn trip(&self, _: &Counts) -> Option<TripReason> {
            None
        }

        fn window(&self) -> Option<SlidingWindow> {
            Some(self.0)
        }
    }

    let failures = FailureRate::at_least(0.5).minimum_calls(1).over(window);
    let slow_calls = SlowCallRate::at_least(0.5).minimum_calls(1).over(window);
    [
        ("failure_rate.window", builder().trip_when(failures)),
        (
            "slow_call_rate.window",
            builder().slow_after(YEAR).trip_when(slow_calls),
        ),
        ("window", builder().trip_when(Own(window))),
    ]
}

#[test]
fn a_window_of_no_calls_or_of_too_many() {
    for calls in [0, SlidingWindow::MAX_CALLS + 1, usize::MAX] {
        for (field, builder) in over(SlidingWindow::last_calls(calls)) {
            assert_refused(builder, field, &calls.to_string(), "1 to 1000000 calls");
        }
    }
}

#[test]
fn a_window_of_too_short_or_too_long_a_time() {
    for (time, accepted) in [
        (Duration::ZERO, "1 ms to 365 days"),
        (Duration::from_nanos(999_999), "1 ms to 365 days"),
        (YEAR + Duration::from_nanos(1), DURATION),
        (Duration::MAX, DURATION),
    ] {
        for (field, builder) in over(SlidingWindow::last(time)) {
            assert_refused(builder, field, &format!("{time:?}"), accepted);
        }
    }
}

#[test]
fn minimum_calls_that_the_window_never_holds() {
    let calls = SlidingWindow::last_calls(10);
    let time = SlidingWindow::last(Duration::from_secs(10));
    let of_ten = "1 to 10 (the window's calls)";
    for (window, minimum, accepted) in [
        (calls, 0, of_ten),
        (calls, 11, of_ten),
        (calls, u64::MAX, of_ten),
        (time, 0, "1 or more"),
    ] {
        let failures = FailureRate::at_least(0.5).over(window).minimum_calls(minimum);
        let slow_calls = SlowCallRate::at_least(0.5).over(window).minimum_calls(minimum);
        assert_refused(
            builder().trip_when(failures),
            "failure_rate.minimum_calls",
            &minimum.to_string(),
            accepted,
        );
        assert_refused(
            builder().slow_after(YEAR).trip_when(slow_calls),
            "slow_call_rate.minimum_calls",
            &minimum.to_string(),
            accepted,
        );
    }
}

#[test]
fn a_setting_of_the_other_form_of_recovery() {
    for (recovery, field) in [
        (Recovery::permitted_calls(5).stages([100]), "recovery.stages"),
        (Recovery::permitted_calls(5).successes(1), "recovery.successes"),
        (
            Recovery::permitted_calls(5).stage_duration(Duration::from_secs(1)),
            "recovery.stage_duration",
        ),
        (Recovery::permitted_calls(5).net_failures(2.0), "recovery.net_failures"),
    ] {
        let message = format!("{field} conflicts with permitted_calls");
        assert_unwanted(builder().recovery(recovery), field, &message);
    }
    assert_unwanted(
        builder().recovery(Recovery::gradual().bad_rate(0.2)),
        "recovery.bad_rate",
        "recovery.bad_rate needs permitted_calls",
    );
}

#[test]
fn a_count_of_none_or_of_too_many() {
    let recovery = |recovery| builder().recovery(recovery);
    let trials = "1 to 1000000 calls";
    for (builder, field, value, accepted) in [
        (
            builder().trip_when(ConsecutiveFailures::of(0)),
            "consecutive_failures",
            "0",
            "1 or more",
        ),
        (
            recovery(Recovery::gradual().successes(0)),
            "recovery.successes",
            "0",
            "1 or more",
        ),
        (
            recovery(Recovery::permitted_calls(0)),
            "recovery.permitted_calls",
            "0",
            trials,
        ),
        (
            recovery(Recovery::permitted_calls(1_000_001)),
            "recovery.permitted_calls",
            "1000001",
            trials,
        ),
        (
            recovery(Recovery::permitted_calls(u32::MAX)),
            "recovery.permitted_calls",
            "4294967295",
            trials,
        ),
    ] {
        assert_refused(builder, field, value, accepted);
    }
}

#[test]
fn a_slow_call_rate_with_nothing_that_says_what_slow_is() {
    let slow_calls = || SlowCallRate::at_least(0.5);
    for policy in [
        slow_calls().into_policy(),
        Evidence::default().or(slow_calls()),
        Evidence::default().or(ConsecutiveFailures::of(1).or(slow_calls())),
    ] {
        let unset = error_of(builder().trip_when(policy.clone()));
        assert_eq!(
            (unset.field(), unset.value(), unset.accepted()),
            ("slow_after", None, Some("a duration or `learned`"))
        );
        assert_eq!(
            unset.to_string(),
            "slow_after is missing: the slow-call rate needs a duration or `learned`"
        );
        assert_refused(
            builder().trip_when(policy).slow_after(None),
            "slow_after",
            "never",
            "a duration or `learned` (the slow-call rate needs one)",
        );
    }
}

#[test]
fn any_one_bad_policy_among_good_ones() {
    let bad = Evidence::default()
        .or(ConsecutiveFailures::of(5))
        .or(FailureRate::at_least(0.5).minimum_calls(0));
    assert_refused(
        builder().trip_when(bad),
        "failure_rate.minimum_calls",
        "0",
        "1 to 100 (the window's calls)",
    );
}

#[test]
fn stages_that_do_not_rise_to_100() {
    for (stages, shown) in [
        (vec![], "[]"),
        (vec![0, 100], "[0, 100]"),
        (vec![50, 20, 100], "[50, 20, 100]"),
        (vec![20, 20, 100], "[20, 20, 100]"),
        (vec![20, 100, 100], "[20, 100, 100]"),
        (vec![20, 80], "[20, 80]"),
        (vec![20, 101], "[20, 101]"),
        (vec![20, 100, 255], "[20, 100, 255]"),
    ] {
        assert_refused(
            builder().recovery(Recovery::gradual().stages(stages)),
            "recovery.stages",
            shown,
            "a list of percentages that starts above 0, rises, and ends at 100",
        );
    }
}

#[test]
fn an_open_duration_that_shrinks() {
    let growing = |initial, max| OpenDuration::growing(Duration::from_millis(initial), Duration::from_millis(max));
    for (duration, shown, accepted) in [
        (growing(3000, 2999), "2.999s", "at least the initial duration, 3s"),
        (growing(2, 1).factor(1.0), "1ms", "at least the initial duration, 2ms"),
    ] {
        assert_refused(builder().open_duration(duration), "open_duration.max", shown, accepted);
    }
}

#[test]
fn growth_or_jitter_out_of_range() {
    for factor in [0.0, 0.999, -1.5, 100.1, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let duration = OpenDuration::default().factor(factor);
        let builder = builder().open_duration(duration);
        assert_refused(builder, "open_duration.factor", &factor.to_string(), "1 to 100");
    }
    for jitter in [-0.001, 1.001, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let duration = OpenDuration::default().jitter(jitter);
        let builder = builder().open_duration(duration);
        assert_refused(builder, "open_duration.jitter", &jitter.to_string(), "0 to 1");
    }
}

#[test]
fn a_name_that_is_empty_or_does_not_end() {
    for (name, shown) in [
        (String::new(), String::new()),
        ("n".repeat(257), "n".repeat(40)),
        ("é".repeat(129), "é".repeat(40)),
        ("\"\n".repeat(200), "\\\"\\n".repeat(20)),
    ] {
        let shown = format!("\"{shown}\"");
        assert_refused(builder().name(name), "name", &shown, "1 to 256 bytes long");
    }
}
