//! Replaying what was recorded gives what was.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_breaker::{
    CircuitBreakerLayer, Config, Event, Evidence, Outcome,
    config::{CancelledCalls, SlowAfter},
    observe::Transition,
    policy::{ConsecutiveFailures, FailureRate, SlidingWindow, SlowCallRate, TripPolicy},
    recovery::{OpenDuration, Recovery},
    replay::{Recorder, Replay, Trace},
};

use crate::{
    common::durations::ms,
    live::{Life, MS, S, Use, live},
    support::{Memory, Random},
};

fn configs() -> Vec<Config> {
    let window = SlidingWindow::last(ms(2000));
    vec![
        Config::new("by evidence").slow_after(ms(250)),
        Config::new("failures only").slow_after(None),
        Config::new("learned").slow_after(SlowAfter::Learned),
        Config::new("sensitive")
            .slow_after(ms(120))
            .trip_when(Evidence::tolerating(0.1).sustained_for(ms(50)))
            .cancelled_calls(CancelledCalls::Failure),
        Config::new("by rates")
            .slow_after(ms(250))
            .trip_when(
                FailureRate::at_least(0.5)
                    .over(window)
                    .minimum_calls(10)
                    .or(SlowCallRate::at_least(0.4).over(window).minimum_calls(10)),
            )
            .open_duration(OpenDuration::growing(ms(200), ms(2000)).refused_before_trial(3)),
        Config::new("classical")
            .slow_after(ms(400))
            .trip_when(ConsecutiveFailures::of(4))
            .open_duration(ms(700))
            .recovery(Recovery::permitted_calls(5)),
    ]
}

fn uses() -> impl Iterator<Item = Use> {
    let ticks = [1, 1_000, MS, 50 * MS];
    (0..9).map(move |seed| Use {
        seed,
        tick: ticks[seed as usize % ticks.len()],
        gap: [5, 20, 200][seed as usize % 3] * MS,
        permits: seed % 2 == 0,
    })
}

fn changes_of(config: &Config, seed: u64, trace: &Trace) -> Vec<(u64, Transition)> {
    let report = Replay::new(config.clone()).seed(seed).run(trace).unwrap();
    report
        .changes
        .into_iter()
        .map(|change| (change.at.as_nanos(), change.transition))
        .collect()
}

#[test]
fn a_replay_of_what_was_recorded_changes_state_at_the_same_nanoseconds_for_the_same_reasons() {
    let mut trips = 0;
    let mut reopenings = 0;
    let mut closings = 0;
    for config in configs() {
        for how in uses() {
            let Life { changes, csv, json } = live(config.clone(), how, 33 * S);
            for change in &changes {
                match change.1 {
                    Transition::Opened { attempt: 0, .. } => trips += 1,
                    Transition::Opened { .. } => reopenings += 1,
                    Transition::Closed => closings += 1,
                    _ => {}
                }
            }
            let trace = Trace::read_csv(csv.as_bytes()).unwrap();
            assert_eq!(
                changes_of(&config, how.seed, &trace),
                changes,
                "{} {how:?}",
                config.name()
            );
            if how.seed % 4 > 0 {
                continue;
            }
            let trace = Trace::read_json_lines(json.as_bytes()).unwrap();
            assert_eq!(
                changes_of(&config, how.seed, &trace),
                changes,
                "{} {how:?}, JSON",
                config.name()
            );
        }
    }
    // Nothing is proved by breakers that nothing happened to.
    assert!(
        trips > 30 && reopenings > 200 && closings > 50,
        "{trips} {reopenings} {closings}"
    );
}

#[test]
fn breakers_that_shared_a_recorder_are_replayed_each_by_itself() {
    let how = Use {
        seed: 7,
        tick: 1,
        gap: 20 * MS,
        permits: false,
    };
    let lives = ["one", "two"].map(|name| {
        live(
            Config::new(name).slow_after(ms(250)),
            how,
            if name == "one" { 20 * S } else { 30 * S },
        )
    });
    let [one, two] = &lives;
    let (_, rows) = two.csv.split_once('\n').unwrap();
    let trace = Trace::read_csv(format!("{}{rows}", one.csv).as_bytes()).unwrap();
    let replay = Replay::new(Config::new("both").slow_after(ms(250))).seed(7);
    let report = replay.per_key().run(&trace).unwrap();
    for (name, life) in ["one", "two"].into_iter().zip(&lives) {
        let of_this = report.changes.iter().filter(|change| &*change.key == name);
        let changes: Vec<_> = of_this
            .map(|change| (change.at.as_nanos(), change.transition.clone()))
            .collect();
        assert_eq!(changes, life.changes);
        assert!(changes.len() > 5);
    }
}

#[test]
fn a_replay_of_what_many_threads_did_at_once_is_exact_too() {
    let csv = Memory::default();
    let changes = Arc::new(Mutex::new(Vec::new()));
    let seen = changes.clone();
    let config = Config::new("shared")
        .trip_when(ConsecutiveFailures::of(6))
        .open_duration(OpenDuration::growing(
            Duration::from_micros(50),
            Duration::from_micros(200),
        ))
        .recovery(Recovery::gradual().stage_duration(Duration::from_micros(20)));
    let layer = CircuitBreakerLayer::builder()
        .config(config.clone())
        .seed(3)
        .observer(Recorder::csv(csv.clone()))
        .on_event(move |event: &Event| {
            seen.lock()
                .unwrap()
                .push((event.sequence, event.at.as_nanos(), event.transition.clone()));
        })
        .build()
        .unwrap();
    let breaker = layer.breaker();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let mut random = Random(thread);
                for call in 0..5_000 {
                    let Ok(permit) = breaker.try_acquire() else {
                        continue;
                    };
                    let fails = call / 500 % 2 == 1 && random.percent(90);
                    permit.record(if fails { Outcome::Failure } else { Outcome::Success });
                }
            });
        }
    });
    drop(layer);
    let mut changes = std::mem::take(&mut *changes.lock().unwrap());
    changes.sort_by_key(|change| change.0);
    let trace = Trace::read_csv(csv.text().as_bytes()).unwrap();
    assert_eq!(trace.calls().len(), 20_000);
    assert!(changes.len() > 10, "{}", changes.len());
    let report = Replay::new(config).seed(3).run(&trace).unwrap();
    let replayed: Vec<_> = report
        .changes
        .into_iter()
        .map(|change| (change.at.as_nanos(), change.transition))
        .collect();
    let changes: Vec<_> = changes
        .into_iter()
        .map(|(_, at, transition)| (at, transition))
        .collect();
    assert_eq!(replayed, changes);
}

#[test]
fn steps_that_two_rows_share_are_two_recordings_and_give_way_to_time() {
    let trips = |steps: [&str; 3]| {
        let [a, b, c] = steps;
        let rows = format!("1,failure,0,{a}\n1,success,0,{b}\n1,failure,0,{c}\n");
        let trace = Trace::read_csv(format!("time,outcome,latency,steps\n{rows}").as_bytes()).unwrap();
        let config = Config::new("two in a row").trip_when(ConsecutiveFailures::of(2));
        Replay::new(config).run(&trace).unwrap().trips.len()
    };
    assert_eq!(trips(["1-1", "2-3", "4-4"]), 0);
    assert_eq!(trips(["1-1", "3-4", "2-2"]), 1);
    assert_eq!(trips(["1-1", "2-3", "1-1"]), 0);
}

#[test]
fn another_seed_learns_from_other_calls() {
    let how = Use {
        seed: 7,
        tick: 1,
        gap: 20 * MS,
        permits: false,
    };
    // A fixed time has no jitter, which the seed would change as well.
    let config = |slow_after: SlowAfter| Config::new("learned").slow_after(slow_after).open_duration(ms(700));
    for (slow_after, is_drawn) in [(SlowAfter::Learned, true), (ms(250).into(), false)] {
        let config = config(slow_after);
        let life = live(config.clone(), how, 63 * S);
        let trace = Trace::read_csv(life.csv.as_bytes()).unwrap();
        assert_eq!(changes_of(&config, how.seed, &trace), life.changes);
        let differs = |seed| changes_of(&config, seed, &trace) != life.changes;
        assert_eq!((8..12).any(differs), is_drawn, "{slow_after:?}");
    }
}
