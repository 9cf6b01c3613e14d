use std::time::Duration;

use proptest::prelude::*;
use tower_breaker::{
    CircuitBreakerLayer, Config, Evidence,
    config::{CancelledCalls, SlowAfter},
    policy::{ConsecutiveFailures, Counts, FailureRate, Policy, SlidingWindow, SlowCallRate, TripPolicy, TripReason},
    recovery::{OpenDuration, Recovery},
};

use crate::arbitrary::{config, flat};

const DEFAULTS: &str = r#"name = "breaker"
slow_after = "auto"
cancelled_calls = "slow_if_overdue"

[trip_when.evidence]
tolerated_rate = 0.5
minimum_excess = 8.0
sustained_for = "500ms"

[open_duration]
initial = "500ms"
max = "3s"
factor = 1.5
jitter = 0.5
refused_before_trial = 10
ends_after_refusals = 200

[recovery]
stages = [20, 40, 80, 100]
successes = 5
stage_duration = "250ms"
net_failures = 3.0
"#;

const EVERYTHING: &str = r#"
name = "payments"
slow_after = "1m 30s 5ms"
cancelled_calls = "failure"

[open_duration]
initial = "1s"
max = "2m"
factor = 2
jitter = 0.25
refused_before_trial = 3
ends_after_refusals = 50
retry_after_cap = "1h"

[trip_when]
consecutive_failures = 10

[trip_when.evidence]
tolerated_rate = 0.2
minimum_excess = 12
sustained_for = "1s"

[[trip_when.failure_rate]]
threshold = 0.9
window = { time = "10s" }
minimum_calls = 5

[[trip_when.failure_rate]]
threshold = 0.5
window = { calls = 500 }

[trip_when.slow_call_rate]
threshold = 1

[recovery]
stages = [10, 100]
successes = 7
stage_duration = "100us"
net_failures = 2.5
probe_timeout = "4s"
"#;

fn everything() -> Config {
    let ten_seconds = SlidingWindow::last(Duration::from_secs(10));
    Config::new("payments")
        .slow_after(Duration::from_millis(90_005))
        .cancelled_calls(CancelledCalls::Failure)
        .open_duration(
            OpenDuration::growing(Duration::from_secs(1), Duration::from_secs(120))
                .factor(2.0)
                .jitter(0.25)
                .refused_before_trial(3)
                .ends_after_refusals(50)
                .honor_retry_after(Duration::from_secs(3600)),
        )
        .trip_when(
            Evidence::tolerating(0.2)
                .minimum_excess(12.0)
                .sustained_for(Duration::from_secs(1))
                .or(FailureRate::at_least(0.9).over(ten_seconds).minimum_calls(5))
                .or(FailureRate::at_least(0.5).over(SlidingWindow::last_calls(500)))
                .or(SlowCallRate::at_least(1.0))
                .or(ConsecutiveFailures::of(10)),
        )
        .recovery(
            Recovery::gradual()
                .stages([10, 100])
                .successes(7)
                .stage_duration(Duration::from_micros(100))
                .net_failures(2.5)
                .probe_timeout(Duration::from_secs(4)),
        )
}

fn read(toml: &str) -> Config {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{toml}\n{error}"))
}

fn error_of(toml: &str) -> String {
    match toml::from_str::<Config>(toml) {
        Ok(config) => panic!("{toml}\n{config:?}"),
        Err(error) => error.message().to_owned(),
    }
}

#[test]
fn every_setting_can_be_written() {
    assert_eq!(read(EVERYTHING), everything());
    assert_eq!(read(&toml::to_string(&everything()).unwrap()), everything());
}

#[test]
fn what_is_not_written_has_its_default() {
    assert_eq!(read(""), Config::default());
    assert_eq!(read("[trip_when]\n[open_duration]\n[recovery]"), Config::default());
    assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
    assert_eq!(
        read("trip_when.evidence.tolerated_rate = 0.3"),
        Config::default().trip_when(Evidence::tolerating(0.3))
    );
    assert_eq!(
        read("open_duration.jitter = 0"),
        Config::default().open_duration(OpenDuration::default().jitter(0.0))
    );
    assert_eq!(
        read("recovery.successes = 9"),
        Config::default().recovery(Recovery::gradual().successes(9))
    );
    assert_eq!(
        read("recovery.permitted_calls = 9"),
        Config::default().recovery(Recovery::permitted_calls(9))
    );
}

#[test]
fn the_defaults_are_written_out() {
    assert_eq!(toml::to_string(&Config::default()).unwrap(), DEFAULTS);
}

#[test]
fn slow_after_in_words() {
    for (text, slow_after) in [
        ("learned", SlowAfter::Learned),
        ("never", SlowAfter::Never),
        ("auto", SlowAfter::Auto),
        ("300ms", Duration::from_millis(300).into()),
    ] {
        let config = Config::default().slow_after(slow_after);
        assert_eq!(read(&format!("slow_after = {text:?}")), config);
        assert_eq!(serde_json::to_value(&config).unwrap()["slow_after"], text);
    }
}

#[test]
fn whether_slow_after_is_learned_is_not_known_before_there_is_a_layer() {
    let config = read("trip_when.slow_call_rate.threshold = 0.5");
    let builder = || CircuitBreakerLayer::builder().config(config.clone());
    assert!(builder().build().is_err());
    assert!(builder().backup(()).build().is_ok());
}

#[test]
fn a_fixed_open_duration_is_written_as_one() {
    let fixed = Config::default().open_duration(Duration::from_secs(5));
    assert_eq!(read("open_duration = \"5s\""), fixed);
    let written = serde_json::to_value(&fixed).unwrap();
    assert_eq!(written["open_duration"], "5s");
}

#[test]
fn the_classical_recovery() {
    let recovery = Recovery::permitted_calls(20)
        .bad_rate(0.3)
        .probe_timeout(Duration::from_secs(2));
    assert_eq!(
        read("recovery = { permitted_calls = 20, bad_rate = 0.3, probe_timeout = \"2s\" }"),
        Config::default().recovery(recovery)
    );
}

#[test]
fn each_answer_to_a_cancelled_call() {
    for (cancelled, written) in [
        (CancelledCalls::SlowIfOverdue, "slow_if_overdue"),
        (CancelledCalls::Ignore, "ignore"),
        (CancelledCalls::Failure, "failure"),
    ] {
        let config = Config::default().cancelled_calls(cancelled);
        assert_eq!(serde_json::to_value(&config).unwrap()["cancelled_calls"], written);
        assert_eq!(read(&format!("cancelled_calls = {written:?}")), config);
    }
}

#[test]
fn one_policy_stands_alone_and_several_in_a_list() {
    let one = Config::default().trip_when(ConsecutiveFailures::of(5));
    assert_eq!(read("trip_when.consecutive_failures = 5"), one);
    assert_eq!(read("trip_when.consecutive_failures = [5]"), one);
    let rate = |threshold| FailureRate::at_least(threshold);
    assert_eq!(
        read("trip_when.failure_rate = [{ threshold = 0.9 }, { threshold = 0.5, minimum_calls = 100 }]"),
        Config::default().trip_when(rate(0.9).or(rate(0.5).minimum_calls(100)))
    );
}

#[test]
fn combined_policies_come_back_flat_and_sorted_by_kind() {
    let in_a_row = |count| Policy::from(ConsecutiveFailures::of(count));
    let nested = in_a_row(9).or(in_a_row(3).or(Evidence::default()));
    let written = toml::to_string(&Config::default().trip_when(nested)).unwrap();
    let flat = Evidence::default().or(in_a_row(9)).or(in_a_row(3));
    assert_eq!(read(&written), Config::default().trip_when(flat));
}

#[test]
fn durations_are_exact_to_the_nanosecond() {
    for (text, duration) in [
        ("1ns", Duration::from_nanos(1)),
        ("1us", Duration::from_micros(1)),
        ("1ms 5us 1ns", Duration::from_nanos(1_005_001)),
        ("0.25s", Duration::from_millis(250)),
        ("1 h 1 min", Duration::from_secs(3660)),
        ("365days", Duration::from_secs(365 * 24 * 3600)),
    ] {
        let config = Config::default().slow_after(duration);
        assert_eq!(read(&format!("slow_after = {text:?}")), config);
        assert_eq!(read(&toml::to_string(&config).unwrap()), config);
    }
}

#[test]
fn a_value_of_the_wrong_form_is_named_with_its_field_and_what_is_accepted() {
    let duration = "a duration such as \"300ms\" or \"1m 30s\"";
    let slow_after = "a duration such as \"300ms\", or \"learned\", \"never\" or \"auto\"";
    let rates = "a table, or a list of tables";
    let percentages = "a list of percentages";
    for (toml, value, field, accepted) in [
        ("name = 5", "integer `5`", "name", "a text"),
        ("slow_after = 300", "integer `300`", "slow_after", slow_after),
        ("slow_after = '300'", "string \"300\"", "slow_after", slow_after),
        (
            "slow_after = '5 parsecs'",
            "string \"5 parsecs\"",
            "slow_after",
            slow_after,
        ),
        ("slow_after = '-5s'", "string \"-5s\"", "slow_after", slow_after),
        ("slow_after = ''", "string \"\"", "slow_after", slow_after),
        ("open_duration.max = 3", "integer `3`", "open_duration.max", duration),
        (
            "trip_when.evidence.sustained_for = 0.5",
            "floating point `0.5`",
            "trip_when.evidence.sustained_for",
            duration,
        ),
        (
            "open_duration = 5",
            "integer `5`",
            "open_duration",
            "a duration such as \"5s\", or a table",
        ),
        (
            "trip_when = 'evidence'",
            "string \"evidence\"",
            "trip_when",
            "a table of trip policies",
        ),
        (
            "trip_when.evidence = 0.5",
            "floating point `0.5`",
            "trip_when.evidence",
            rates,
        ),
        (
            "trip_when.failure_rate = [{ threshold = 0.5 }, 7]",
            "integer `7`",
            "trip_when.failure_rate",
            rates,
        ),
        (
            "trip_when.failure_rate.threshold = '50 %'",
            "string \"50 %\"",
            "trip_when.failure_rate.threshold",
            "a number",
        ),
        (
            "trip_when.slow_call_rate.window = 10",
            "integer `10`",
            "trip_when.slow_call_rate.window",
            "a table of either calls or time",
        ),
        (
            "trip_when.slow_call_rate.window.calls = -10",
            "integer `-10`",
            "trip_when.slow_call_rate.window.calls",
            "a whole number",
        ),
        (
            "trip_when.consecutive_failures = 5.0",
            "floating point `5.0`",
            "trip_when.consecutive_failures",
            "a whole number",
        ),
        (
            "recovery.stages = 'all'",
            "string \"all\"",
            "recovery.stages",
            percentages,
        ),
        (
            "recovery.stages = [20, 300]",
            "integer `300`",
            "recovery.stages",
            percentages,
        ),
        (
            "recovery.permitted_calls = 5000000000",
            "integer `5000000000`",
            "recovery.permitted_calls",
            "a whole number up to 4294967295",
        ),
        (
            "cancelled_calls = 'slow'",
            "string \"slow\"",
            "cancelled_calls",
            "\"slow_if_overdue\", \"ignore\" or \"failure\"",
        ),
    ] {
        let message = format!("invalid value: {value}, expected {field} to be {accepted}");
        assert_eq!(error_of(toml), message);
    }
}

#[test]
fn another_type_altogether_is_named_too() {
    for (toml, message) in [
        (
            "trip_when = []",
            "invalid type: sequence, expected trip_when to be a table of trip policies",
        ),
        (
            "recovery.successes = {}",
            "invalid type: map, expected recovery.successes to be a whole number up to 4294967295",
        ),
        (
            "trip_when.evidence.tolerated_rate = true",
            "invalid type: boolean `true`, expected trip_when.evidence.tolerated_rate to be a number",
        ),
    ] {
        assert_eq!(error_of(toml), message);
    }
    let null = serde_json::from_str::<Config>(r#"{ "slow_after": null }"#).unwrap_err();
    assert_eq!(
        null.to_string(),
        "invalid type: null, expected slow_after to be a duration such as \"300ms\", or \"learned\", \"never\" or \"auto\" at line 1 column 20"
    );
}

#[test]
fn an_unknown_field_is_refused_in_every_table() {
    for table in [
        "trip_when.",
        "trip_when.evidence.",
        "trip_when.failure_rate.",
        "trip_when.slow_call_rate.",
        "trip_when.slow_call_rate.window.",
        "open_duration.",
        "recovery.",
    ] {
        let message = error_of(&format!("{table}slow_aftr = '5s'"));
        assert!(message.starts_with("unknown field `slow_aftr`, expected "), "{message}");
    }
    assert_eq!(
        error_of("slow_aftr = '5s'"),
        "unknown field `slow_aftr`, expected one of `name`, `slow_after`, `trip_when`, `open_duration`, `recovery`, \
         `cancelled_calls`"
    );
}

#[test]
fn a_field_that_is_written_twice_is_refused() {
    let twice = serde_json::from_str::<Config>(r#"{ "name": "a", "name": "b" }"#).unwrap_err();
    assert!(twice.to_string().starts_with("duplicate field `name`"), "{twice}");
}

#[test]
fn a_rate_needs_a_threshold() {
    assert_eq!(
        error_of("trip_when.failure_rate.minimum_calls = 5"),
        "trip_when.failure_rate.threshold is missing"
    );
}

#[test]
fn an_empty_list_of_policies_is_refused() {
    assert_eq!(
        error_of("trip_when.failure_rate = []"),
        "invalid length 0, expected trip_when.failure_rate to be a table, or a list of tables"
    );
}

#[test]
fn a_window_is_of_calls_or_of_time() {
    for (window, value) in [("{ calls = 10, time = '10s' }", "both"), ("{}", "neither")] {
        assert_eq!(
            error_of(&format!(
                "trip_when.failure_rate = {{ threshold = 0.5, window = {window} }}"
            )),
            format!(
                "invalid value: {value}, expected trip_when.failure_rate.window to be a table of either calls or time"
            )
        );
    }
}

#[test]
fn the_two_forms_of_recovery_do_not_mix() {
    for (recovery, value) in [
        ("permitted_calls = 5, stages = [100]", "permitted_calls beside stages"),
        ("successes = 3, permitted_calls = 5", "permitted_calls beside successes"),
        (
            "permitted_calls = 5, bad_rate = 0.2, stage_duration = '1s'",
            "permitted_calls beside stage_duration",
        ),
        (
            "permitted_calls = 5, net_failures = 3",
            "permitted_calls beside net_failures",
        ),
        ("bad_rate = 0.2", "bad_rate without permitted_calls"),
        ("bad_rate = 0.2, successes = 3", "bad_rate without permitted_calls"),
    ] {
        assert_eq!(
            error_of(&format!("recovery = {{ {recovery} }}")),
            format!(
                "invalid value: {value}, expected recovery to be a table of either permitted_calls and bad_rate, or \
                 stages, successes, stage_duration and net_failures; and probe_timeout"
            )
        );
    }
}

#[test]
fn what_build_refuses_is_refused_here_in_the_same_words() {
    for (toml, config) in [
        ("name = ''", Config::new("")),
        ("slow_after = '0s'", Config::default().slow_after(Duration::ZERO)),
        (
            "slow_after = '366days'",
            Config::default().slow_after(Duration::from_secs(366 * 24 * 3600)),
        ),
        (
            "trip_when.evidence.tolerated_rate = nan",
            Config::default().trip_when(Evidence::tolerating(f64::NAN)),
        ),
        (
            "trip_when.failure_rate.threshold = -1",
            Config::default().trip_when(FailureRate::at_least(-1.0)),
        ),
        (
            "slow_after = 'never'\ntrip_when.slow_call_rate.threshold = 0.5",
            Config::default()
                .slow_after(SlowAfter::Never)
                .trip_when(SlowCallRate::at_least(0.5)),
        ),
        (
            "recovery.stages = [20]",
            Config::default().recovery(Recovery::gradual().stages([20])),
        ),
    ] {
        let refused = CircuitBreakerLayer::builder().config(config).build().unwrap_err();
        assert_eq!(error_of(toml), refused.to_string());
    }
}

#[test]
fn a_policy_of_ones_own_cannot_be_written() {
    #[derive(Debug)]
    struct Tuesdays;

    impl TripPolicy for Tuesdays {
        fn trip(&self, _: &Counts) -> Option<TripReason> {
            None
        }
    }

    let config = Config::default().trip_when(Evidence::default().or(Tuesdays));
    assert_eq!(
        serde_json::to_value(&config).unwrap_err().to_string(),
        "trip_when can't be written: Tuesdays isn't one of this crate's policies"
    );
}

#[test]
fn what_build_refuses_cannot_be_written() {
    let config = Config::default().trip_when(ConsecutiveFailures::of(0));
    assert_eq!(
        serde_json::to_value(&config).unwrap_err().to_string(),
        "consecutive_failures must be 1 or more, but is 0"
    );
}

/// The same, with its policies flat and sorted by kind.
fn sorted(config: &Config) -> Config {
    let mut all = flat(&config.settings().trip_when);
    all.sort_by_key(|policy| match policy.name() {
        "evidence" => 0,
        "failure rate" => 1,
        "slow-call rate" => 2,
        _ => 3,
    });
    let policy = all.into_iter().reduce(Policy::or).unwrap();
    config.clone().trip_when(policy)
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(config in config(u64::MAX)) {
        let written = serde_json::to_value(&config)?;
        prop_assert_eq!(serde_json::from_value::<Config>(written)?, sorted(&config));
    }

    // TOML's whole numbers end here.
    #[test]
    fn what_is_written_as_toml_reads_the_same(config in config(i64::MAX as u64)) {
        let written = toml::to_string(&config)?;
        prop_assert_eq!(toml::from_str::<Config>(&written)?, sorted(&config));
    }
}
