//! Parameters from traces whose troubles are known.

use std::{fmt::Write as _, time::Duration};

use tower_breaker::{
    Config, Evidence,
    config::SlowAfter,
    policy::ConsecutiveFailures,
    recovery::OpenDuration,
    replay::{Latencies, Replay, Report, Suggest, Trace},
};

use crate::{common::durations::ms, support::Random};

/// What a call that starts at this second would be: how it ends, and how long it takes where its
/// healthy time is given.
type Plan = fn(f64, f64) -> (&'static str, f64);

fn hand_set(config: &Config) -> Option<Duration> {
    match config.settings().slow_after {
        SlowAfter::After(duration) => Some(duration),
        _ => None,
    }
}

/// So many calls, 100 a second. Healthy ones take 20 ms, and now and then up to 80.
fn trace(calls: u32, plan: Plan) -> Trace {
    let mut random = Random(1);
    let mut csv = String::from("time,outcome,latency\n");
    for call in 0..calls {
        let healthy = 0.02 + random.around(8_000_000) as f64 / 1e9;
        let second = f64::from(call) / 100.0;
        let (outcome, latency) = plan(second, healthy.min(0.08));
        writeln!(csv, "{second},{outcome},{latency:.6}").unwrap();
    }
    Trace::read_csv(csv.as_bytes()).unwrap()
}

/// Fails for 10 s, hangs for 10 s.
fn outages(second: f64, healthy: f64) -> (&'static str, f64) {
    match second as u64 {
        20..30 => ("failure", 0.005),
        40..50 => ("cancelled", 3.0),
        _ => ("success", healthy),
    }
}

/// Fails for 0.8 s of each 10.
fn blips(second: f64, healthy: f64) -> (&'static str, f64) {
    match second % 10.0 {
        blip if blip < 0.8 => ("failure", 0.005),
        _ => ("success", healthy),
    }
}

#[test]
fn the_suggestion_loses_less_than_no_breaker_and_makes_no_false_trip() {
    let trace = trace(7_000, outages);
    let suggestion = Suggest::new(0.5).run(&trace).unwrap();
    let p99 = suggestion.latencies.quantile(0.99);
    let slow_after = hand_set(&suggestion.config).unwrap();
    assert_eq!(suggestion.slow_after, SlowAfter::After(slow_after));
    assert!(slow_after > p99 && slow_after < ms(400), "{slow_after:?}");
    assert_eq!(suggestion.tolerated_rate, 0.5);
    assert_eq!(suggestion.sustained_for, ms(500));
    let report = suggestion.report();
    assert_eq!((report.trips.len(), report.false_trips().count()), (2, 0));
    assert!(report.lost() < 0.65 * report.lost_without(), "{report}");
    // It was found by replaying just this.
    assert_eq!(
        &Replay::new(suggestion.config.clone())
            .objective(None)
            .run(&trace)
            .unwrap(),
        report
    );
    // The best to a hair, and the longest of those.
    let lost = suggestion.tried().map(|(_, report)| report.lost());
    let least = lost.fold(f64::INFINITY, f64::min);
    assert!(report.lost() <= 1.02 * least);
    let longer = |(config, _): &(&Config, &Report)| hand_set(config) > Some(slow_after);
    assert!(suggestion.tried().filter(longer).count() > 1);
    for (config, report) in suggestion.tried().filter(longer) {
        assert!(report.lost() > 1.02 * least, "{:?}", hand_set(config));
    }
}

#[test]
fn the_tolerated_rate_follows_from_the_backups_worth() {
    let trace = trace(3_000, outages);
    for (worth, rate) in [(0.0, 0.5), (0.5, 0.5), (0.7, 0.3), (0.9, 0.1), (1.0, 0.001)] {
        let suggestion = Suggest::new(worth).run(&trace).unwrap();
        assert_eq!(suggestion.tolerated_rate, rate);
        assert_eq!(
            suggestion.config.settings().trip_when,
            Evidence::tolerating(rate).into()
        );
    }
}

#[test]
fn what_loses_the_same_is_decided_for_what_needs_no_upkeep() {
    let trace = trace(3_000, |_, healthy| ("success", healthy));
    let suggestion = Suggest::new(0.5).run(&trace).unwrap();
    assert_eq!(suggestion.slow_after, SlowAfter::Learned);
    assert!(suggestion.tried().all(|(_, report)| report.lost() == 0.0));
    let tried = |slow_after| {
        let configs = suggestion.tried().map(|(config, _)| config);
        configs
            .filter(|config| config.settings().slow_after == slow_after)
            .count()
    };
    assert_eq!((tried(SlowAfter::Learned), tried(SlowAfter::Never)), (4, 1));
}

/// Each other call is a long poll: it says nothing of the primary, and holds on.
fn long_polls(second: f64, healthy: f64) -> (&'static str, f64) {
    match (second * 100.0).round() as u64 % 2 {
        0 => ("ignored", 10.0),
        _ => ("success", healthy),
    }
}

#[test]
fn where_every_limit_trips_on_healthy_calls_none_is_suggested() {
    let suggestion = Suggest::new(0.9).run(&trace(3_000, long_polls)).unwrap();
    assert_eq!(suggestion.slow_after, SlowAfter::Never);
    let limits = suggestion
        .tried()
        .filter(|(config, _)| config.settings().slow_after != SlowAfter::Never);
    let trips_on_healthy = |report: &Report| report.trips.iter().any(|trip| trip.was_healthy(0.9));
    assert!(limits.map(|(_, report)| report).all(trips_on_healthy), "{suggestion}");
    assert!(
        suggestion
            .to_string()
            .starts_with("slow_after never: of the 10 tried, each other one is worse: 0.0 of 1000")
    );
}

#[test]
fn a_value_that_trips_on_a_healthy_pause_is_out_though_others_lose_no_less() {
    // Calls hang again and again. Once all wait for 0.6 s: a pause that is over before anything can
    // be done.
    let trace = trace(9_000, |second, healthy| match second {
        _ if (6.0..10.0).contains(&(second % 12.0)) => ("cancelled", 3.0),
        _ if (26.0..26.6).contains(&second) => ("success", 26.6 - second + healthy),
        _ => ("success", healthy),
    });
    let suggestion = Suggest::new(0.95).objective(ms(900)).run(&trace).unwrap();
    let healthy_trips = |report: &Report| report.trips.iter().filter(|trip| trip.was_healthy(0.95)).count();
    let out: Vec<_> = suggestion
        .tried()
        .filter(|(_, report)| healthy_trips(report) == 1)
        .collect();
    assert!(out.len() >= 3, "{out:?}");
    assert!(
        suggestion
            .to_string()
            .contains("\nLearned, it would have tripped on healthy calls (1 time).\n"),
        "{suggestion}"
    );
    let report = suggestion.report();
    assert_eq!((report.trips.len(), healthy_trips(report)), (7, 0), "{report}");
    let chosen = hand_set(&suggestion.config);
    let mut by_hand = out.iter().filter_map(|(config, _)| hand_set(config));
    assert!(by_hand.all(|slow_after| Some(slow_after) < chosen), "{suggestion}");
    assert!(
        out.iter().any(|(_, other)| other.lost() < report.lost()),
        "{suggestion}"
    );
}

#[test]
fn no_value_above_the_objective_is_tried() {
    let trace = trace(9_000, |second, healthy| match second as u64 {
        30..60 => ("success", healthy * 10.0),
        _ => ("success", healthy),
    });
    let suggestion = Suggest::new(0.5).objective(ms(150)).run(&trace).unwrap();
    assert!(suggestion.tried().all(|(config, _)| hand_set(config) <= Some(ms(150))));
    assert_eq!(suggestion.slow_after, SlowAfter::After(ms(150)));
    assert_eq!(suggestion.report().trips.len(), 1);
    // What is learned is well above it: slow answers pass, but not for good ones.
    let text = suggestion.to_string();
    assert!(text.contains("333.3 with no breaker"), "{text}");
    assert!(
        text.contains("\nLearned, it would have lost 333.3 of 1000.\n"),
        "{text}"
    );
    // Where a slow answer is as good as a quick one, there is no reason to trip.
    let suggestion = Suggest::new(0.5).run(&trace).unwrap();
    assert_eq!(suggestion.slow_after, SlowAfter::Learned);
    assert_eq!(suggestion.report().trips.len(), 0);
}

#[test]
fn where_all_trip_on_blips_evidence_has_to_last_longer() {
    let suggestion = Suggest::new(0.5).run(&trace(9_000, blips)).unwrap();
    assert_eq!(suggestion.sustained_for, Duration::from_secs(2));
    assert_eq!(suggestion.report().trips.len(), 0);
    let text = suggestion.to_string();
    assert!(
        text.contains("Evidence has to last 2.0 s: with the default, 500 ms, 141.1 of 1000 answers are lost."),
        "{text}"
    );
    assert!(text.contains(".sustained_for(Duration::from_secs(2))"), "{text}");
}

#[test]
fn the_toml_lines_to_paste_are_the_configuration() {
    for plan in [outages, blips, long_polls] {
        let suggestion = Suggest::new(0.9).run(&trace(6_000, plan)).unwrap();
        let text = suggestion.to_string();
        let (_, toml) = text.split_once("In TOML:\n").unwrap();
        let config: Config = toml::from_str(toml).unwrap();
        assert_eq!(config, suggestion.config);
    }
}

/// Rust lines as people paste them: what they make of a configuration, and their text without white
/// space.
macro_rules! pasted {
    ($($lines:tt)+) => {
        (Config::default() $($lines)+, without_space(stringify!($($lines)+)))
    };
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn the_rust_lines_to_paste_are_the_configuration() {
    let learned = pasted!(.slow_after(SlowAfter::Learned)
        .trip_when(Evidence::tolerating(0.5).sustained_for(Duration::from_secs(2))));
    let by_hand = pasted!(.slow_after(Duration::from_millis(160)).trip_when(Evidence::tolerating(0.5)));
    let never = pasted!(.slow_after(None).trip_when(Evidence::tolerating(0.1)));
    for (worth, trace, (config, lines)) in [
        (0.5, trace(9_000, blips), learned),
        (0.5, trace(7_000, outages), by_hand),
        (0.9, trace(3_000, long_polls), never),
    ] {
        let suggestion = Suggest::new(worth).run(&trace).unwrap();
        let text = suggestion.to_string();
        let (_, rust) = text.split_once("In Rust:\n").unwrap();
        let (rust, _) = rust.split_once("In TOML:\n").unwrap();
        assert_eq!(without_space(rust), lines);
        assert_eq!(config, suggestion.config);
    }
}

#[test]
fn a_suggestion_says_what_it_rests_on() {
    let suggestion = Suggest::new(0.7)
        .objective(ms(400))
        .run(&trace(7_000, outages))
        .unwrap();
    let text = "\
slow_after 170 ms: 3 × the p99 (56 ms) of 5000 successful calls. Of the 10 tried, it is the longest of those that lose the fewest answers, to 2 %: 108.9 of 1000 answers are lost, and 285.7 with no breaker; it never tripped on healthy calls.
Learned, it would have lost 111.4 of 1000.
Tolerated rate 0.3: min(0.5, 1 − worth), as a backup's answer is worth 0.7 of a good one.
Successful calls take p50 25 ms, p90 38 ms, p99 56 ms, p99.9 72 ms. Of 7000 calls 28.6 % were bad; of those that this breaker would have let through, 3.4 %.

In Rust:
    .slow_after(Duration::from_millis(170))
    .trip_when(Evidence::tolerating(0.3))

In TOML:
    slow_after = \"170ms\"
    trip_when = { evidence = { tolerated_rate = 0.3 } }";
    assert_eq!(suggestion.to_string(), text);
}

#[test]
fn a_suggestion_to_learn_says_that_nothing_tried_is_clearly_better() {
    let suggestion = Suggest::new(0.5).run(&trace(3_000, outages)).unwrap();
    let text = suggestion.to_string();
    assert!(
        text.starts_with(
            "slow_after learned: it sets itself, so there is nothing to maintain, and none of the 10 others that were tried is clearly \
             better: 177.3 of 1000 answers are lost, and 333.3 with no breaker; it never tripped on healthy calls.\nTolerated rate 0.5"
        ),
        "{text}"
    );
}

#[test]
fn a_users_own_configuration_is_compared_by_the_same_measure() {
    let trace = trace(7_000, outages);
    let suggestion = Suggest::new(0.5).run(&trace).unwrap();
    let own = Config::new("own")
        .trip_when(ConsecutiveFailures::of(5))
        .open_duration(OpenDuration::fixed(Duration::from_secs(30)));
    let comparison = suggestion.compare(own, &trace).unwrap();
    assert_eq!(&comparison.suggested, suggestion.report());
    assert!(comparison.yours.lost() > comparison.suggested.lost());
    assert_eq!(comparison.yours.lost_without(), comparison.suggested.lost_without());
    let table = "                              no breaker       yours   suggested
answers lost of 1000               285.7       218.3       165.6
bad calls to the primary            2000           6         172
bad calls avoided                      0        1994        1828
good calls given up                    0        1050         147
trips                                  0           1           2
false trips                            0           0           0
";
    assert_eq!(comparison.to_string(), table);
}

#[test]
fn a_trace_with_too_few_calls_suggests_nothing() {
    let short = trace(99, |_, healthy| ("success", healthy));
    let error = Suggest::new(0.5).run(&short).unwrap_err().to_string();
    assert_eq!(
        error,
        "the trace must be one with 100 or more, but is of 99 successful calls"
    );
    assert!(
        Suggest::new(0.5)
            .run(&trace(100, |_, healthy| ("success", healthy)))
            .is_ok()
    );
    assert_eq!(Suggest::new(1.5).run(&short).unwrap_err().field(), "worth");
    assert_eq!(
        Suggest::new(0.5).objective(ms(0)).run(&short).unwrap_err().field(),
        "objective"
    );
}

#[test]
fn quantiles_are_latencies_that_calls_had() {
    let trace = trace(100, |second, _| ("success", second / 100.0 + 0.0001));
    let latencies = Latencies::of(&trace);
    assert_eq!(latencies.calls(), 100);
    assert_eq!(latencies.quantile(0.5), Duration::from_micros(5_000));
    assert_eq!(latencies.quantile(0.99), Duration::from_micros(9_900));
    assert_eq!(latencies.quantile(1.0), Duration::from_micros(10_000));
    assert_eq!(latencies.quantile(0.0), Duration::from_micros(100));
    assert_eq!(Latencies::of(&Trace::default()).quantile(0.5), Duration::ZERO);
}
