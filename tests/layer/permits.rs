use std::thread;

use tokio::time::{advance, timeout};
use tower::{Layer, Service, ServiceExt};
use tower_breaker::{Evidence, Outcome, State, config::CancelledCalls, machine::Settled};

use crate::support::*;

// Rule 1: generations.

#[test]
fn an_outcome_from_before_the_trip_changes_nothing() {
    let (mut machine, stale) = tripped();
    let before = machine.view(at(10));
    assert_eq!(machine.settle(stale, BAD, at(10)), Settled::Stale);
    assert_eq!(machine.view(at(10)), before);
}

#[test]
fn a_good_outcome_from_before_the_trip_does_not_close_a_half_open_breaker() {
    let (mut machine, stale) = tripped();
    let probe = machine.admit(at(1000)).unwrap();
    assert_eq!(machine.settle(stale, GOOD, at(1001)), Settled::Stale);
    assert_eq!(machine.view(at(1001)).share, 0);
    machine.settle(probe, GOOD, at(1002));
    assert_eq!(machine.view(at(1002)).share, 20);
}

#[test]
fn a_bad_call_admitted_at_20_percent_still_counts_at_80() {
    let (mut machine, _) = tripped();
    call(&mut machine, GOOD, at(1000));
    let late: Vec<_> = (0..16).filter_map(|_| machine.admit(at(1000)).ok()).collect();
    assert_eq!(late.len(), 4, "20 % of 16 calls");
    for step in 0..2 {
        let now = at(2100 + step * 1100);
        while machine
            .admit(now)
            .map(|ticket| machine.settle(ticket, GOOD, now))
            .is_err()
        {}
    }
    // Each stage passes on a good call and a second.
    let _ = machine.admit(at(4400));
    assert_eq!(machine.view(at(4400)).share, 80);
    for ticket in late {
        machine.settle(ticket, BAD, at(4401));
    }
    assert_eq!(machine.view(at(4401)).share, 40, "four net failures halve the share");
}

#[test]
fn a_manual_change_begins_a_generation() {
    let mut machine = machine(settings());
    let stale = machine.admit(at(0)).unwrap();
    machine.reset("test".into(), at(1));
    assert_eq!(machine.settle(stale, BAD, at(2)), Settled::Stale);
}

// Rule 2: a permit always ends.

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_neutral() {
    let breaker = builder().slow_after(ms(100)).build().unwrap().breaker().clone();
    for _ in 0..50 {
        drop(breaker.try_acquire().unwrap());
    }
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.snapshot().totals.primary.cancelled, 50);
}

#[tokio::test(start_paused = true)]
async fn a_call_cancelled_past_slow_after_is_slow() {
    let breaker = builder().slow_after(ms(100)).build().unwrap().breaker().clone();
    let permits: Vec<_> = (0..3).map(|_| breaker.try_acquire().unwrap()).collect();
    advance(ms(101)).await;
    drop(permits);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot().totals.primary.slow, 3);
}

#[test]
fn cancelled_calls_may_be_ignored_or_count_as_failures() {
    let outcome = |cancelled_calls| {
        let mut settings = settings();
        settings.slow_after = ms(100).into();
        settings.cancelled_calls = cancelled_calls;
        let mut machine = machine(settings);
        let [early, late] = [1, 2].map(|_| machine.admit(at(0)).unwrap());
        [(early, 50), (late, 101)].map(|(ticket, now)| {
            let completion = tower_breaker::machine::Completion::Cancelled;
            match machine.settle(ticket, completion, at(now)) {
                Settled::Counted(assessment) => Some((assessment.failed, assessment.slow)),
                _ => None,
            }
        })
    };
    assert_eq!(outcome(CancelledCalls::SlowIfOverdue), [None, Some((false, true))]);
    assert_eq!(outcome(CancelledCalls::Ignore), [None, None]);
    assert_eq!(
        outcome(CancelledCalls::Failure),
        [Some((true, false)), Some((true, true))]
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_gives_its_slot_back_and_decides_nothing() {
    let breaker = builder().build().unwrap().breaker().clone();
    trip_and_cool(&breaker).await;
    let probe = breaker.try_acquire().unwrap();
    assert!(breaker.try_acquire().is_err(), "one probe at a time");
    drop(probe);
    assert_eq!(breaker.state(), State::HalfOpen);
    breaker
        .try_acquire()
        .expect("the slot is free")
        .record(Outcome::Success);
    assert_eq!(breaker.snapshot().share, 20);
}

#[tokio::test]
async fn a_future_dropped_before_its_first_poll_is_a_cancelled_call() {
    let layer = builder().build().unwrap();
    let (primary, _) = primary(Behavior::Hangs);
    let mut service = layer.layer(primary);
    drop(service.ready().await.unwrap().call(1));
    let snapshot = layer.breaker().snapshot();
    assert_eq!((snapshot.totals.primary.cancelled, snapshot.in_flight), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_the_layer_does_not_blind_the_breaker() {
    let layer = builder().slow_after(ms(100)).build().unwrap();
    let (primary, _) = primary(Behavior::Hangs);
    let mut service = layer.layer(primary);
    for _ in 0..3 {
        let call = service.ready().await.unwrap().call(1);
        assert!(timeout(ms(150), call).await.is_err());
    }
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn an_overdue_call_counts_once_and_its_end_does_not_count_again() {
    let breaker = builder().slow_after(ms(100)).build().unwrap().breaker().clone();
    let permit = breaker.try_acquire().unwrap();
    advance(ms(200)).await;
    breaker.try_acquire().unwrap().record(Outcome::Success);
    assert_eq!(breaker.snapshot().totals.primary.slow, 1);
    permit.record(Outcome::Failure);
    let totals = breaker.snapshot().totals.primary;
    assert_eq!((totals.slow, totals.failed, totals.succeeded), (1, 1, 1));
    assert_eq!(breaker.snapshot().policies[0].counts.bad, 1);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_hangs_for_ever_trips_once_nothing_has_answered_for_a_second() {
    let layer = tower_breaker::CircuitBreakerLayer::builder()
        .slow_after(ms(300))
        .trip_when(Evidence::default())
        .build()
        .unwrap();
    let (primary, _) = primary(Behavior::Hangs);
    let service = layer.layer(primary);
    let mut hung = Vec::new();
    for _ in 0..100 {
        hung.push(tokio::spawn(service.clone().oneshot(1)));
        tokio::task::yield_now().await;
        advance(ms(10)).await;
    }
    // The call at 1000 ms finds the evidence.
    assert_eq!(layer.breaker().state(), State::Closed);
    assert!(service.clone().oneshot(1).await.is_err());
    assert_eq!(layer.breaker().state(), State::Open);
    hung.into_iter().for_each(|call| call.abort());
}

#[tokio::test(start_paused = true)]
async fn evidence_that_has_lasted_long_enough_refuses_the_next_permit_though_nothing_came_in_between() {
    let layer = tower_breaker::CircuitBreakerLayer::builder().build().unwrap();
    let breaker = layer.breaker();
    for _ in 0..20 {
        breaker.try_acquire().expect("closed").record(Outcome::Failure);
    }
    assert_eq!(breaker.state(), State::Closed, "a blip so far");
    advance(ms(500)).await;
    assert!(breaker.try_acquire().is_err());
}

#[test]
fn a_neighbours_panic_is_a_cancelled_call_not_a_failure() {
    let breaker = builder().build().unwrap().breaker().clone();
    let mine = breaker.clone();
    let result = thread::spawn(move || {
        let _permit = mine.try_acquire().unwrap();
        panic!("a neighbour's");
    })
    .join();
    assert!(result.is_err());
    let totals = breaker.snapshot().totals.primary;
    assert_eq!((totals.failed, totals.cancelled), (0, 1));
}

#[tokio::test]
async fn a_call_to_the_backup_is_counted_once_timed_or_not() {
    let clock = ManualClock::default();
    clock.set(ms(1));
    let (backup, behaves) = primary(Behavior::Answers);
    let layer = builder().clock(clock.clone()).backup(backup).build().unwrap();
    layer.breaker().force_open("a test", None);
    let mut service = layer.layer(primary(Behavior::Answers).0);
    for behavior in [Behavior::Answers, Behavior::Fails] {
        behaves.set(behavior);
        for _ in 0..10 {
            let answer = service.ready().await.unwrap().call(1).await;
            assert_eq!(answer.is_ok(), behavior == Behavior::Answers);
        }
    }
    drop(service.ready().await.unwrap().call(1));
    let totals = layer.breaker().snapshot().totals;
    let backup = totals.backup;
    assert_eq!((totals.refused, backup.calls), (21, 21));
    assert_eq!((backup.succeeded, backup.failed, backup.cancelled), (10, 10, 1));
    assert_eq!(backup.timed, 1, "one in a millisecond");
    clock.set(ms(2));
    behaves.set(Behavior::Answers);
    assert!(service.ready().await.unwrap().call(1).await.is_ok());
    assert_eq!(layer.breaker().snapshot().totals.backup.timed, 2);
}
