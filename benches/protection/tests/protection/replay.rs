//! Replaying a recording of a simulated run gives the same state changes as the live breaker had.

use std::{
    cell::RefCell,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_breaker::{
    CircuitBreakerLayer, Config, Event, State,
    config::SlowAfter,
    layer::CircuitBreakerLayerBuilder,
    observe::Transition,
    replay::{Recorder, Replay, Trace},
};
use tower_breaker_protection::{
    ours,
    scenario::Scenario,
    sim::{self, Conditions},
};

use crate::contestants::CONDITIONS;

/// Nanoseconds and the change.
type Changes = Vec<(u64, Transition)>;

/// What the breaker of one instance did, and its recording.
struct BreakerRun {
    seed: u64,
    changes: Changes,
    trace: Trace,
}

/// A file in memory.
#[derive(Clone, Default)]
struct MemoryFile(Arc<Mutex<Vec<u8>>>);

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn named(name: &str) -> Scenario {
    let mut all = Scenario::built_in().into_iter();
    all.find(|scenario| scenario.name == name).unwrap()
}

fn fixed_and_learned(scenario: &Scenario) -> [Config; 2] {
    [scenario.client.objective.0.into(), SlowAfter::Learned].map(|slow_after| with(scenario, slow_after))
}

fn with(scenario: &Scenario, slow_after: impl Into<SlowAfter>) -> Config {
    Config::new(scenario.name.as_str()).slow_after(slow_after)
}

fn runs() -> [Conditions; 3] {
    [(1, false), (2, true), (3, false)].map(|(seed, reject)| Conditions {
        seed,
        reject,
        ..CONDITIONS
    })
}

/// Runs the scenario through a layer with a recorder for each instance.
fn recorded(scenario: &Scenario, config: &Config, run: Conditions) -> Vec<BreakerRun> {
    let files = RefCell::new(Vec::new());
    let changes = live(scenario, config, run, |layer| {
        let file = MemoryFile::default();
        files.borrow_mut().push(file.clone());
        layer.observer(Recorder::csv(file))
    });
    let lives = changes.into_iter().zip(files.into_inner());
    lives
        .map(|((seed, changes), file)| BreakerRun {
            seed,
            changes,
            trace: Trace::read_csv(&**file.0.lock().unwrap()).unwrap(),
        })
        .collect()
}

/// Runs the scenario through a layer for each instance. Returns the seed of each, and its changes.
fn live(
    scenario: &Scenario,
    config: &Config,
    run: Conditions,
    prepare: impl Fn(CircuitBreakerLayerBuilder) -> CircuitBreakerLayerBuilder,
) -> Vec<(u64, Changes)> {
    let layers = RefCell::new(Vec::new());
    sim::run(scenario, run, &|instance| {
        let seed = run.seed * 1000 + u64::from(instance);
        let changes = Arc::new(Mutex::new(Changes::new()));
        layers.borrow_mut().push((seed, changes.clone()));
        let layer = CircuitBreakerLayer::builder().config(config.clone()).seed(seed);
        let layer = layer.on_event(move |event: &Event| {
            let change = (event.at.as_nanos(), event.transition.clone());
            changes.lock().unwrap().push(change);
        });
        ours::contestant(prepare(layer), run.reject)
    });
    let layers = layers.into_inner().into_iter();
    layers
        .map(|(seed, changes)| (seed, std::mem::take(&mut *changes.lock().unwrap())))
        .collect()
}

fn replayed(config: &Config, seed: u64, trace: &Trace) -> Changes {
    let report = Replay::new(config.clone()).seed(seed).run(trace).unwrap();
    let changes = report.changes.into_iter();
    changes
        .map(|change| (change.at.as_nanos(), change.transition))
        .collect()
}

/// Counts of trips, reopenings and closings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    trips: usize,
    reopenings: usize,
    closings: usize,
}

impl Count {
    fn note(&mut self, changes: &Changes) {
        for (_, transition) in changes {
            match transition {
                Transition::Opened {
                    from: State::Closed, ..
                } => self.trips += 1,
                Transition::Opened { .. } => self.reopenings += 1,
                Transition::Closed => self.closings += 1,
                _ => {}
            }
        }
    }
}

/// Compares the replay of each run with what the live breakers did.
fn check(name: &str) -> Vec<Count> {
    let scenario = named(name);
    let mut counts = Vec::new();
    for config in fixed_and_learned(&scenario) {
        for run in runs() {
            let mut count = Count::default();
            for life in recorded(&scenario, &config, run) {
                assert!(
                    life.trace.calls().len() > 500,
                    "{name} {config:?} {run:?}: {}",
                    life.trace
                );
                let changes = replayed(&config, life.seed, &life.trace);
                assert_eq!(changes, life.changes, "{name} {config:?} {run:?}");
                count.note(&changes);
            }
            counts.push(count);
        }
    }
    counts
}

#[test]
fn replay_changes_state_at_the_same_nanoseconds_as_the_live_breaker_for_the_same_reasons() {
    let mut all = Count::default();
    // Outages: hard, slow, partial, flapping, and with cancelled calls. Hangs: with rare traffic,
    // with impatient callers, and with few callers. And twenty breakers before one pool.
    for name in ["S1", "S3", "S5", "S6", "S7", "S8", "S14", "S19", "S20"] {
        for count in check(name) {
            // A breaker that never changed state would prove nothing.
            assert!(count.trips > 0 && count.closings > 0, "{name}: {count:?}");
            all.trips += count.trips;
            all.reopenings += count.reopenings;
            all.closings += count.closings;
        }
    }
    assert!(
        all.trips > 200 && all.reopenings > 2000 && all.closings > 200,
        "{all:?}"
    );
}

#[test]
fn replay_of_a_healthy_service_has_no_trip_as_the_live_breaker_had_none() {
    for name in ["S10", "S13"] {
        for count in check(name) {
            assert_eq!(count, Count::default(), "{name}");
        }
    }
}

#[test]
fn replay_under_another_seed_or_slow_after_differs() {
    let scenario = named("S3");
    let objective = scenario.client.objective.0;
    let config = with(&scenario, objective);
    let slower = with(&scenario, objective + Duration::from_millis(20));
    let learned = with(&scenario, SlowAfter::Learned);
    for life in runs().into_iter().flat_map(|run| recorded(&scenario, &config, run)) {
        let BreakerRun { seed, changes, trace } = life;
        assert_eq!(replayed(&config, seed, &trace), changes);
        assert_ne!(replayed(&config, seed + 1, &trace), changes);
        assert_ne!(replayed(&slower, seed, &trace), changes);
        assert_ne!(replayed(&learned, seed, &trace), changes);
    }
}

#[test]
fn recorder_changes_nothing_where_slow_after_is_set_by_hand() {
    for scenario in ["S1", "S3", "S8", "S19"].map(named) {
        let config = with(&scenario, scenario.client.objective.0);
        for run in runs() {
            let recorded = recorded(&scenario, &config, run).into_iter();
            let recorded: Vec<_> = recorded.map(|life| (life.seed, life.changes)).collect();
            assert!(recorded.iter().any(|(_, changes)| !changes.is_empty()));
            assert_eq!(
                live(&scenario, &config, run, |layer| layer),
                recorded,
                "{}",
                scenario.name
            );
        }
    }
}
