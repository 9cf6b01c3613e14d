use std::{
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use tower_breaker::{Outcome, State, policy::ConsecutiveFailures, recovery::Recovery};

use crate::support::*;

const THREADS: u64 = 8;

/// Brings a breaker, whose clock stands still, to half-open at so many percent.
fn half_open(recovery: Recovery, good_probes: u32) -> (tower_breaker::Breaker, ManualClock) {
    let clock = ManualClock::default();
    let layer = builder().recovery(recovery).clock(clock.clone()).build().unwrap();
    let breaker = layer.breaker().clone();
    trip(&breaker);
    clock.set(ms(1001));
    for _ in 0..good_probes {
        breaker.try_acquire().unwrap().record(Outcome::Success);
    }
    (breaker, clock)
}

// Rule 9: never more than its share, however many threads ask at once.

#[test]
fn eight_threads_get_no_more_than_the_permitted_calls_at_once() {
    for _ in 0..50 {
        let (breaker, _) = half_open(Recovery::permitted_calls(3), 0);
        let (granted, barrier) = (AtomicU64::new(0), Barrier::new(THREADS as usize));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    barrier.wait();
                    let permits: Vec<_> = (0..20).filter_map(|_| breaker.try_acquire().ok()).collect();
                    granted.fetch_add(permits.len() as u64, SeqCst);
                    barrier.wait();
                });
            }
        });
        assert_eq!(granted.load(SeqCst), 3);
    }
}

#[test]
fn eight_threads_get_exactly_the_stages_share() {
    let (breaker, _) = half_open(Recovery::gradual(), 1);
    assert_eq!(breaker.snapshot().share, 20);
    let granted = AtomicU64::new(0);
    let asks = 5000;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..asks {
                    if let Ok(permit) = breaker.try_acquire() {
                        granted.fetch_add(1, SeqCst);
                        // The clock stands still, so no number of good calls passes the stage.
                        permit.record(Outcome::Success);
                    }
                }
            });
        }
    });
    assert_eq!(granted.load(SeqCst), THREADS * asks / 5);
}

// Rules 1 and 2: every permit ends, and is counted once, whatever the breaker does meanwhile.

#[test]
fn every_call_is_counted_exactly_once_while_the_breaker_is_thrown_about() {
    let clock = ManualClock::default();
    let layer = builder()
        .trip_when(ConsecutiveFailures::of(50))
        .slow_after(ms(5))
        .clock(clock.clone())
        .build()
        .unwrap();
    let breaker = layer.breaker().clone();
    let (granted, refused, tick) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (breaker, clock, granted, refused, tick) = (&breaker, &clock, &granted, &refused, &tick);
            scope.spawn(move || {
                let mut held = Vec::new();
                for step in 0..4000_u64 {
                    let random = (step * 2_654_435_761 + thread * 40_503) >> 7;
                    match breaker.try_acquire() {
                        Ok(permit) => {
                            granted.fetch_add(1, SeqCst);
                            held.push(permit);
                        }
                        Err(_) => {
                            refused.fetch_add(1, SeqCst);
                        }
                    }
                    if held.len() > 5 {
                        let permit = held.swap_remove(random as usize % 5);
                        match random % 7 {
                            0 => drop(permit),
                            1 => permit.record(Outcome::Ignored),
                            2 | 3 => permit.record(Outcome::Failure),
                            _ => permit.record(Outcome::Success),
                        }
                    }
                    if thread == 0 && step % 500 == 499 {
                        breaker.reset("a test");
                    }
                    clock.set(ms(tick.fetch_add(1, SeqCst) / 16));
                }
            });
        }
    });
    let snapshot = breaker.snapshot();
    let primary = snapshot.totals.primary;
    assert_eq!(
        (primary.calls, snapshot.totals.refused),
        (granted.load(SeqCst), refused.load(SeqCst))
    );
    assert_eq!(snapshot.in_flight, 0);
    let ended = primary.succeeded + primary.failed + primary.ignored + primary.cancelled + primary.stale;
    assert_eq!(ended, primary.calls);
    assert!(primary.slow <= primary.calls);
    breaker.reset("the end");
    assert_eq!(breaker.state(), State::Closed);
    breaker.try_acquire().unwrap().record(Outcome::Success);
}

#[test]
fn outcomes_from_before_a_trip_change_nothing_from_any_thread() {
    for _ in 0..20 {
        let breaker = builder()
            .clock(ManualClock::default())
            .build()
            .unwrap()
            .breaker()
            .clone();
        let stale: Vec<_> = (0..64).map(|_| breaker.try_acquire().unwrap()).collect();
        trip(&breaker);
        let generation = breaker.snapshot().generation;
        thread::scope(|scope| {
            for (index, permit) in stale.into_iter().enumerate() {
                scope.spawn(move || {
                    permit.record([Outcome::Failure, Outcome::Success, Outcome::Ignored][index % 3]);
                });
            }
        });
        let snapshot = breaker.snapshot();
        assert_eq!((snapshot.state, snapshot.generation), (State::Open, generation));
        assert_eq!(snapshot.totals.primary.stale, 64);
    }
}
