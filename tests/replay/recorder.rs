//! What a recorder writes, and what it never does.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tower_breaker::{
    Breaker, CircuitBreakerLayer, Event, Outcome,
    observe::{CallRecord, Completion, Observer},
    policy::ConsecutiveFailures,
    replay::{Recorder, Trace},
};

use crate::{common::clock::ManualClock, support::Memory};

fn breaker(observer: impl Observer) -> (Breaker, ManualClock) {
    let clock = ManualClock::default();
    let layer = CircuitBreakerLayer::builder()
        .name("a, \"b\"")
        .trip_when(ConsecutiveFailures::of(2))
        .open_duration(Duration::from_secs(1))
        .clock(clock.clone())
        .observer(observer)
        .build()
        .unwrap();
    (layer.breaker().clone(), clock)
}

/// One call of each kind.
fn day(breaker: &Breaker, clock: &ManualClock) {
    clock.set(Duration::from_nanos(1_000_000_000));
    let good = breaker.try_acquire().unwrap();
    clock.set(Duration::from_nanos(1_000_000_001));
    let ignored = breaker.try_acquire().unwrap();
    let cancelled = breaker.try_acquire().unwrap();
    let mut streaming = breaker.try_acquire().unwrap();
    clock.set(Duration::from_nanos(1_031_000_000));
    good.record(Outcome::Success);
    ignored.record(Outcome::Ignored);
    streaming.answered();
    clock.set(Duration::from_nanos(2_000_000_000));
    drop(cancelled);
    streaming.record(Outcome::Failure);
    breaker.try_acquire().unwrap().record(Outcome::Failure);
    assert!(breaker.try_acquire().is_err());
}

#[test]
fn each_call_is_a_row_written_when_it_ends() {
    let memory = Memory::default();
    let (breaker, clock) = breaker(Recorder::csv(memory.clone()));
    day(&breaker, &clock);
    drop(breaker);
    assert_eq!(
        memory.text(),
        "time,key,outcome,latency,waited,lasted,steps\n\
         1,\"a, \"\"b\"\"\",success,0.031,,,1-5\n\
         1.000000001,\"a, \"\"b\"\"\",ignored,0.030999999,,,2-6\n\
         1.000000001,\"a, \"\"b\"\"\",cancelled,0.999999999,,,3-8\n\
         1.000000001,\"a, \"\"b\"\"\",failure,0.030999999,,0.969,4-7-9\n\
         2,\"a, \"\"b\"\"\",failure,0,,,10-11\n\
         2,\"a, \"\"b\"\"\",refused,0,,,12\n"
    );
}

#[test]
fn json_lines_say_the_same() {
    let memory = Memory::default();
    let (breaker, clock) = breaker(Recorder::json_lines(memory.clone()));
    day(&breaker, &clock);
    drop(breaker);
    let text = memory.text();
    assert_eq!(
        text.lines().nth(3).unwrap(),
        r#"{"time":1.000000001,"key":"a, \"b\"","outcome":"failure","latency":0.030999999,"lasted":0.969,"steps":"4-7-9"}"#
    );
    let trace = Trace::read_json_lines(text.as_bytes()).unwrap();
    let completions: Vec<_> = trace
        .calls()
        .iter()
        .map(tower_breaker::replay::Call::completion)
        .collect();
    assert_eq!(
        completions,
        [
            Completion::Finished(Outcome::Success),
            Completion::Finished(Outcome::Ignored),
            Completion::Cancelled,
            Completion::Finished(Outcome::Failure),
            Completion::Finished(Outcome::Failure),
            Completion::Refused
        ]
    );
}

/// Fails while the test says so.
#[derive(Clone)]
struct Disk {
    full: Arc<AtomicBool>,
    memory: Memory,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.full.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk is full"));
        }
        // A slow disk takes a little at a time.
        self.memory.write(&bytes[..bytes.len().min(1000)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_harms_no_call_and_what_is_lost_is_counted() {
    let disk = Disk {
        full: Arc::default(),
        memory: Memory::default(),
    };
    let recorder = Recorder::csv(disk.clone());
    let (breaker, _) = breaker(recorder.clone());
    let calls = |calls: u64| {
        for _ in 0..calls {
            breaker.try_acquire().unwrap().record(Outcome::Success);
        }
    };
    calls(100);
    disk.full.store(true, Ordering::Relaxed);
    calls(10_000);
    assert!(recorder.lost() > 1000, "{}", recorder.lost());
    assert_eq!(recorder.lost() + recorder.written(), 10_100);
    assert_eq!(recorder.flush().unwrap_err().to_string(), "the disk is full");
    assert!(format!("{recorder:?}").contains("the disk is full"));

    disk.full.store(false, Ordering::Relaxed);
    calls(100);
    assert!(recorder.flush().is_err(), "it says once what had been wrong");
    assert!(recorder.flush().is_ok());
    let written = recorder.written();
    let trace = Trace::read_csv(disk.memory.text().as_bytes()).unwrap();
    assert_eq!(trace.calls().len() as u64, written);
    assert_eq!(breaker.snapshot().totals.primary.succeeded, 10_200);
}

#[test]
fn several_breakers_share_a_recorder() {
    let memory = Memory::default();
    let recorder = Recorder::csv(memory.clone());
    for name in ["b", "a"] {
        let layer = CircuitBreakerLayer::builder()
            .name(name)
            .observer(recorder.clone())
            .build()
            .unwrap();
        layer.breaker().try_acquire().unwrap().record(Outcome::Success);
    }
    recorder.flush().unwrap();
    let trace = Trace::read_csv(memory.text().as_bytes()).unwrap();
    assert_eq!(trace.keys().collect::<Vec<_>>(), ["b", "a"]);
}

struct Panics(Arc<AtomicBool>);

impl Observer for Panics {
    fn on_event(&self, _: &Event) {}

    fn observes_calls(&self) -> bool {
        true
    }

    fn on_call(&self, _: &CallRecord) {
        self.0.store(true, Ordering::Relaxed);
        panic!("on purpose");
    }
}

#[test]
fn an_observer_that_panics_at_a_call_harms_neither_the_call_nor_the_next_observer() {
    let (called, memory) = (Arc::default(), Memory::default());
    let layer = CircuitBreakerLayer::builder()
        .observer(Panics(Arc::clone(&called)))
        .observer(Recorder::csv(memory.clone()))
        .build()
        .unwrap();
    let breaker = layer.breaker().clone();
    breaker.try_acquire().unwrap().record(Outcome::Success);
    drop(breaker.try_acquire().unwrap());
    drop((layer, breaker));
    assert!(called.load(Ordering::Relaxed));
    assert_eq!(memory.text().lines().count(), 3);
}

struct Uninterested(Arc<AtomicBool>);

impl Observer for Uninterested {
    fn on_event(&self, _: &Event) {}

    fn on_call(&self, _: &CallRecord) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_observer_that_wants_no_calls_gets_none_though_another_does() {
    let (saw_a_call, memory) = (Arc::default(), Memory::default());
    let layer = CircuitBreakerLayer::builder()
        .observer(Uninterested(Arc::clone(&saw_a_call)))
        .observer(Recorder::csv(memory.clone()))
        .build()
        .unwrap();
    layer.breaker().try_acquire().unwrap().record(Outcome::Success);
    drop(layer);
    assert!(!saw_a_call.load(Ordering::Relaxed));
    assert_eq!(memory.text().lines().count(), 2);
}
