use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::advance;
use tower::{Layer, Service, ServiceExt};
use tower_breaker::{Outcome, State, clock::Clock, machine::Settings, recovery::OpenDuration};

use crate::support::*;

// Rule 18: one clock, and no harm from one that stands still or jumps.

#[tokio::test(start_paused = true)]
async fn tokios_paused_clock_drives_the_breaker() {
    let breaker = builder().build().unwrap().breaker().clone();
    trip(&breaker);
    advance(ms(999)).await;
    assert_eq!(breaker.state(), State::Open);
    advance(ms(1)).await;
    assert_eq!(breaker.state(), State::ReadyToProbe);
}

/// They are refused on the fast path, and no call has come since.
#[tokio::test(start_paused = true)]
async fn a_state_that_depends_on_how_many_were_refused_is_the_right_one() {
    // `trip` has one refused.
    for (refused, state) in [(1, State::Open), (2, State::ReadyToProbe)] {
        let open_duration = OpenDuration::growing(ms(1000), ms(1000)).jitter(0.0);
        let open_duration = open_duration.refused_before_trial(3).ends_after_refusals(0);
        let breaker = builder()
            .open_duration(open_duration)
            .build()
            .unwrap()
            .breaker()
            .clone();
        trip(&breaker);
        for _ in 0..refused {
            assert!(breaker.try_acquire().is_err());
        }
        advance(ms(1000)).await;
        assert_eq!(breaker.state(), state);
    }
}

#[test]
fn a_clock_that_goes_back_stands_still_for_the_breaker() {
    let clock = ManualClock::default();
    clock.set(Duration::from_secs(100));
    let breaker = builder()
        .slow_after(ms(100))
        .clock(clock.clone())
        .build()
        .unwrap()
        .breaker()
        .clone();
    let permit = breaker.try_acquire().unwrap();
    clock.set(Duration::from_secs(50));
    permit.record(Outcome::Success);
    assert_eq!(breaker.snapshot().totals.primary.slow, 0);
    trip(&breaker);
    assert_eq!(breaker.state(), State::Open);
    clock.set(Duration::from_secs(102));
    breaker.try_acquire().expect("the probe").record(Outcome::Success);
}

#[test]
fn evidence_from_a_clock_that_went_back_has_not_lasted_longer_for_it() {
    let mut machine = machine(Settings::default());
    call(&mut machine, GOOD, at(10_000));
    for _ in 0..20 {
        call(&mut machine, BAD, at(0));
    }
    call(&mut machine, BAD, at(10_001));
    assert_eq!(machine.state(at(10_001)), State::Closed);
    call(&mut machine, BAD, at(10_500));
    assert_eq!(machine.state(at(10_500)), State::Open);
}

#[test]
fn a_clock_that_jumps_to_the_end_of_time_does_no_harm() {
    let clock = ManualClock::default();
    let breaker = builder()
        .slow_after(ms(100))
        .clock(clock.clone())
        .build()
        .unwrap()
        .breaker()
        .clone();
    let hung: Vec<_> = (0..2).map(|_| breaker.try_acquire().unwrap()).collect();
    clock.set(Duration::MAX);
    breaker.force_open("at the end of time", None);
    assert!(breaker.try_acquire().is_err());
    breaker.reset("again");
    for _ in 0..10 {
        breaker.try_acquire().unwrap().record(Outcome::Success);
    }
    drop(hung);
    clock.set(Duration::ZERO);
    breaker.try_acquire().unwrap().record(Outcome::Success);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_clock_that_stands_still_still_lets_rows_of_failures_trip() {
    let breaker = builder()
        .clock(ManualClock::default())
        .build()
        .unwrap()
        .breaker()
        .clone();
    trip(&breaker);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_wait_at_the_end_of_time_does_no_harm() {
    let clock = ManualClock::default();
    clock.set(Duration::MAX);
    let layer = builder()
        .slow_after(ms(100))
        .backup(Spare)
        .clock(clock)
        .build()
        .unwrap();
    let _in_flight = layer.breaker().try_acquire().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let service = layer.layer(primary(Behavior::NeverReady).0);
    let waited = runtime.block_on(async { tokio::time::timeout(ms(20), service.oneshot(1)).await });
    assert!(waited.is_err(), "it waits, in real time");
}

/// A clock that counts how often it is asked.
#[derive(Clone, Debug, Default)]
struct AskedClock {
    clock: ManualClock,
    asked: Arc<AtomicU32>,
}

impl Clock for AskedClock {
    fn now(&self) -> Duration {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.clock.now()
    }
}

#[tokio::test]
async fn a_half_open_call_asks_what_the_time_is_when_it_starts_and_when_it_ends() {
    let asked = AskedClock::default();
    let layer = builder().clock(asked.clone()).build().unwrap();
    trip(layer.breaker());
    asked.clock.set(ms(1001));
    let mut service = layer.layer(primary(Behavior::Answers).0);
    for call in 1..=2 {
        let before = asked.asked.load(Ordering::Relaxed);
        assert_eq!(service.ready().await.unwrap().call(call).await.unwrap(), "primary");
        assert_eq!(asked.asked.load(Ordering::Relaxed) - before, 2);
    }
    assert_eq!(layer.breaker().state(), State::HalfOpen);
}
