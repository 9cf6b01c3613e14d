//! What a report says, from traces small enough to count by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tower_breaker::{
    Config,
    clock::Timestamp,
    policy::{ConsecutiveFailures, TripReason},
    recovery::{OpenDuration, Recovery},
    replay::{JudgedCalls, Replay, Report, Trace},
};

/// Trips at the third bad call in a row; open for exactly 1 s; one good call closes it.
fn config() -> Config {
    Config::new("hand-made")
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(Duration::from_secs(1))
        .recovery(Recovery::permitted_calls(1))
}

/// A call each 0.1 s that takes 0.01 s; one letter each.
fn trace(letters: &str) -> Trace {
    let mut csv = String::from("time,outcome,latency\n");
    for (letter, tenth) in letters.chars().filter(|letter| *letter != ' ').zip(0..) {
        let (outcome, latency) = match letter {
            'g' => ("success", "0.01"),
            'b' => ("failure", "0.01"),
            's' => ("success", "0.7"),
            'c' => ("cancelled", "0.01"),
            'h' => ("cancelled", "0.7"),
            'i' => ("ignored", "0.01"),
            'r' => ("refused", ""),
            letter => panic!("{letter}"),
        };
        csv += &format!("{}.{},{outcome},{latency}\n", tenth / 10, tenth % 10);
    }
    Trace::read_csv(csv.as_bytes()).unwrap()
}

fn report(letters: &str) -> Report {
    Replay::new(config()).run(&trace(letters)).unwrap()
}

fn counts(calls: JudgedCalls) -> [u64; 3] {
    [calls.good, calls.bad, calls.unknown]
}

fn tenths(tenths: u64) -> Timestamp {
    Timestamp::from_nanos(tenths * 100_000_000)
}

#[test]
fn an_outage_is_seen_its_calls_are_diverted_and_what_came_through_is_counted() {
    // The trip is at 0.71 s, the probe at 1.8 s.
    let report = report("ggggg bbb bbbbbbbbbb g ggg");
    let [trip] = &report.trips[..] else {
        panic!("{:?}", report.trips);
    };
    assert_eq!(trip.at, tenths(7) + Duration::from_millis(10));
    assert!(matches!(trip.reason, TripReason::ConsecutiveFailures { count: 3, .. }));
    assert_eq!(trip.noticed_after, Some(Duration::from_millis(210)));
    assert_eq!(trip.closed_at, Some(tenths(18) + Duration::from_millis(10)));
    assert_eq!(trip.reopened, 0);
    assert_eq!(counts(trip.diverted), [0, 10, 0]);
    assert_eq!(trip.is_false(0.5), Some(false));
    assert_eq!(counts(report.admitted), [9, 3, 0]);
    assert_eq!(counts(report.diverted), [0, 10, 0]);
    assert_eq!(report.calls(), 22);
    assert_eq!((report.lost(), report.lost_without()), (8.0, 13.0));
}

#[test]
fn a_trip_on_a_primary_that_was_as_good_as_the_backup_is_false() {
    let report = report("bbb ggggg bbbbb g");
    let [trip] = &report.trips[..] else {
        panic!("{:?}", report.trips);
    };
    assert_eq!(counts(trip.while_open), [5, 5, 0]);
    assert_eq!((trip.is_false(0.5), trip.is_false(0.51)), (Some(true), Some(false)));
    assert_eq!(report.false_trips().count(), 1);
    assert_eq!(trip.noticed_after, Some(Duration::from_millis(210)));
}

#[test]
fn a_false_trip_with_evidence_in_hindsight_came_too_late_and_one_without_had_no_reason() {
    let of = |letters: &str| {
        let config = config().trip_when(ConsecutiveFailures::of(8));
        let report = Replay::new(config).run(&trace(letters)).unwrap();
        let [trip] = &report.trips[..] else {
            panic!("{report}");
        };
        assert_eq!(trip.is_false(0.5), Some(true));
        trip.was_healthy(0.5)
    };
    assert!(!of("bbbbbbbb gggggggggg g"));
    // Slow, and good: no objective says otherwise.
    let slow = Replay::new(config().slow_after(Duration::from_millis(500))).objective(None);
    let report = slow.run(&trace("ssssssssssssssssssssssssss")).unwrap();
    assert!(
        !report.trips.is_empty() && report.trips.iter().all(|trip| trip.was_healthy(0.5)),
        "{report}"
    );
}

#[test]
fn where_the_backup_is_worth_nothing_a_trip_is_false_once_a_good_answer_was_given_up() {
    assert_eq!(report("bbb bbbbbbbbbb g").trips[0].is_false(0.0), Some(false));
    assert_eq!(report("bbb bbbbbbbbbg g").trips[0].is_false(0.0), Some(true));
}

#[test]
fn a_trip_in_which_nothing_is_known_is_neither_false_nor_right() {
    let report = report("bbb rrrrrrrrrr r");
    assert_eq!(report.trips[0].is_false(0.5), None);
    assert_eq!((report.refused_again, report.refused_before), (10, 1));
    assert_eq!(report.calls(), 3);
    assert!(report.to_string().contains("is unknown"), "{report}");
}

#[test]
fn a_failed_trial_reopens_the_same_trip_which_may_outlast_the_trace() {
    let report = report("bbb bbbbbbbbbb b bbbb");
    let [trip] = &report.trips[..] else {
        panic!("{:?}", report.trips);
    };
    assert_eq!((trip.reopened, trip.closed_at), (1, None));
    assert_eq!(counts(trip.while_open), [0, 14, 0]);
    assert_eq!(counts(report.admitted), [0, 4, 0]);
}

#[test]
fn a_stretch_of_bad_calls_begins_where_bad_ones_began_to_outweigh_good_ones_for_good() {
    // The first bad call is made up for; the second isn't.
    let report = report("gbggg b gbbb bb");
    assert_eq!(report.trips[0].at, tenths(9) + Duration::from_millis(10));
    assert_eq!(report.trips[0].noticed_after, Some(Duration::from_millis(210)));
    // With a better backup, three good calls are not enough.
    let report = Replay::new(config()).worth(0.8).run(&trace("gbggg b gbbb bb")).unwrap();
    assert_eq!(report.trips[0].noticed_after, Some(Duration::from_millis(810)));
}

#[test]
fn an_answer_that_comes_after_the_objective_is_bad_and_what_the_caller_left_early_is_unknown() {
    let of = |config: Config, objective: Option<Duration>| {
        let replay = Replay::new(config).objective(objective);
        counts(replay.run(&trace("gscih")).unwrap().admitted)
    };
    let half = Duration::from_millis(500);
    assert_eq!(of(config(), None), [2, 0, 3]);
    assert_eq!(of(config(), Some(half)), [1, 2, 2]);
    assert_eq!(of(config().slow_after(half), None), [2, 0, 3]);
    let unsaid = Replay::new(config().slow_after(half)).run(&trace("gscih")).unwrap();
    assert_eq!(counts(unsaid.admitted), [1, 2, 2]);
    assert_eq!(of(config().slow_after(half), Some(2 * half)), [2, 0, 3]);
    // It is the objective that judges, not the configuration; at it is in time.
    assert_eq!(of(config(), Some(Duration::from_millis(700))), [2, 0, 3]);
}

#[test]
fn a_call_given_up_after_longer_than_healthy_ones_take_is_bad_with_no_objective() {
    let of = |successes: usize| counts(report(&("g".repeat(successes) + "hc")).admitted);
    assert_eq!(of(99), [99, 0, 2]);
    assert_eq!(of(100), [100, 1, 1]);
}

#[test]
fn calls_that_hang_trip_before_any_of_them_ends() {
    let mut csv = String::from("time,outcome,latency\n");
    for tenth in 0..30 {
        csv += &format!("{}.{},cancelled,30\n", tenth / 10, tenth % 10);
    }
    let trace = Trace::read_csv(csv.as_bytes()).unwrap();
    let config = config().slow_after(Duration::from_millis(250));
    let report = Replay::new(config).run(&trace).unwrap();
    // The third is overdue after 0.45 s, in a slot of a 16th of 0.25 s at most: the call at 0.5 s
    // finds it.
    assert_eq!(report.trips[0].at, tenths(5));
    assert_eq!(report.trips[0].noticed_after, Some(Duration::from_millis(500)));
}

#[test]
fn ends_come_before_starts_of_the_same_moment_and_a_call_that_takes_no_time_starts_first() {
    // The third failure ends as the last call starts, whichever row comes first.
    let csv = "time,outcome,latency\n0.2,success,0.1\n0,failure,0.1\n0.1,failure,0\n0.1,failure,0.1\n";
    let report = Replay::new(config())
        .run(&Trace::read_csv(csv.as_bytes()).unwrap())
        .unwrap();
    assert_eq!(report.trips[0].at, tenths(2));
    assert_eq!(counts(report.diverted), [1, 0, 0]);
}

#[test]
fn each_key_has_its_own_breaker_where_the_user_asks_for_it() {
    let mut csv = String::from("key,time,outcome,latency\n");
    for tenth in 0..50 {
        csv += &format!("a,{}.{},success,0.01\n", tenth / 10, tenth % 10);
        csv += &format!("b,{}.{},failure,0.01\n", tenth / 10, tenth % 10);
    }
    let trace = Trace::read_csv(csv.as_bytes()).unwrap();
    let one = Replay::new(config()).run(&trace).unwrap();
    assert_eq!(one.trips.len(), 0, "good and bad by turns");
    let each = Replay::new(config()).per_key().run(&trace).unwrap();
    assert_eq!(each.trips.len(), 1);
    assert_eq!(&*each.trips[0].key, "b");
    assert_eq!(each.diverted.good, 0);
    assert_eq!(each.admitted.good, 50);
}

#[test]
fn trips_of_several_breakers_come_in_order_of_time() {
    let mut csv = String::from("key,time,outcome,latency\n0,0,success,0\n");
    for (key, second) in [("b", 5), ("a", 3), ("b", 6), ("a", 4), ("b", 7), ("a", 5)] {
        csv += &format!("{key},{second},failure,0.01\n");
    }
    let report = Replay::new(config())
        .per_key()
        .run(&Trace::read_csv(csv.as_bytes()).unwrap())
        .unwrap();
    let trips: Vec<_> = report.trips.iter().map(|trip| &*trip.key).collect();
    let changes: Vec<_> = report.changes.iter().map(|change| &*change.key).collect();
    assert_eq!((trips, changes), (vec!["a", "b"], vec!["a", "b"]));
}

/// Counts what is logged.
#[derive(Clone, Default)]
struct Log(Arc<AtomicUsize>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn what_a_replayed_breaker_does_is_not_logged_as_if_it_happened() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let layer = tower_breaker::CircuitBreakerLayer::builder().build().unwrap();
        layer.breaker().force_open("a live one", None);
        assert_eq!(log.0.load(Ordering::Relaxed), 1);
        assert_eq!(report("bbb").trips.len(), 1);
    });
    assert_eq!(log.0.load(Ordering::Relaxed), 1);
}

#[test]
fn two_recordings_in_one_file_are_replayed_by_time() {
    let row = |second: u64, step: u64| format!("{second},a,failure,0.1,{step}-{}\n", step + 1);
    let mut csv = String::from("time,key,outcome,latency,steps\n");
    for second in 0..3 {
        csv += &row(second, 2 * second + 1);
    }
    for second in 10..20 {
        csv += &row(second, 2 * second - 19);
    }
    let report = Replay::new(config())
        .run(&Trace::read_csv(csv.as_bytes()).unwrap())
        .unwrap();
    assert_eq!(report.trips[0].at, tenths(21));
}

#[test]
fn each_call_is_reported_with_its_completion() {
    let mut fates = String::new();
    let report = Replay::new(config())
        .run_with(&trace("gbbb bg r"), |call| {
            fates.push(match (call.diverted, call.was_good) {
                (false, Some(true)) => 'g',
                (false, Some(false)) => 'b',
                (true, Some(true)) => 'G',
                (true, Some(false)) => 'B',
                (true, None) => '?',
                (false, None) => '!',
            });
        })
        .unwrap();
    assert_eq!(fates, "gbbbBG?");
    assert_eq!(report.refused_again, 1);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_replayed() {
    let trace = trace("g");
    for worth in [-0.1, 1.1, f64::NAN] {
        let error = Replay::new(config()).worth(worth).run(&trace).unwrap_err();
        assert_eq!(
            (error.field(), error.accepted()),
            ("worth", Some("a number from 0 to 1"))
        );
    }
    let error = Replay::new(config().open_duration(OpenDuration::fixed(Duration::ZERO))).run(&trace);
    assert_eq!(error.unwrap_err().field(), "open_duration");
}

#[test]
fn a_report_reads_like_this() {
    let report = Replay::new(config())
        .worth(0.25)
        .run(&trace("ggggg bbb bbbbbbbbbb g ggg bbb gg r"))
        .unwrap();
    assert_eq!(
        report.to_string(),
        "27 calls, 16 bad (failed, or given up late)\n\
         12 would have been diverted: 10 bad (avoided), 2 good (given up), 0 unknown\n\
         6 bad calls would still have reached the primary\n\
         1 more had been refused when the trace was recorded: 1 would be again; what would have become of 0, nobody knows\n\
         answers lost: 555.6 of 1000 (with no breaker 592.6), where a backup's answer is worth 0.25\n\
         2 trips, 1 of them false\n  \
           0.71 s: 3 bad calls in a row (threshold 3), 210 ms after calls turned bad; closed after 1.1 s; 0 % of 10 calls while open would have been good\n  \
           2.41 s: 3 bad calls in a row (threshold 3), 210 ms after calls turned bad; not closed by the end; 100 % of 2 calls while open would have been good: a false trip"
    );
}
