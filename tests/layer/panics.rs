use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use tower::{Layer, Service, ServiceExt};
use tower_breaker::{
    Breaker, CircuitBreakerLayer, Outcome, State,
    clock::Clock,
    policy::{Counts, TripPolicy, TripReason},
};

use crate::support::*;

// Rule 3: a panic in the primary counts as a failure, no matter where it is caught.

#[tokio::test]
async fn a_panic_in_the_primarys_future_is_a_failure() {
    let layer = builder().build().unwrap();
    let (primary, _) = primary(Behavior::PanicsInFuture);
    let mut service = layer.layer(primary);
    let call = service.ready().await.unwrap().call(1);
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    let totals = layer.breaker().snapshot().totals.primary;
    assert_eq!((totals.failed, totals.cancelled), (1, 0));
}

#[tokio::test]
async fn a_panic_in_the_primarys_call_is_a_failure() {
    let layer = builder().build().unwrap();
    let (primary, _) = primary(Behavior::PanicsInCall);
    for _ in 0..3 {
        let service = layer.layer(primary.clone());
        assert!(AssertUnwindSafe(service.oneshot(1)).catch_unwind().await.is_err());
    }
    assert_eq!(layer.breaker().state(), State::Open);
    assert_eq!(layer.breaker().snapshot().totals.primary.failed, 3);
}

#[tokio::test]
async fn a_panic_in_the_primarys_readiness_is_a_failure() {
    let layer = builder().build().unwrap();
    let (primary, _) = primary(Behavior::PanicsInReadiness);
    for _ in 0..3 {
        let service = layer.layer(primary.clone());
        assert!(AssertUnwindSafe(service.oneshot(1)).catch_unwind().await.is_err());
    }
    assert_eq!(layer.breaker().state(), State::Open);
    assert_eq!(layer.breaker().snapshot().totals.readiness.errors, 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_half_open_primary_reopens() {
    let layer = builder().build().unwrap();
    let (primary, _) = primary(Behavior::PanicsInCall);
    trip_and_cool(layer.breaker()).await;
    let probe = layer.layer(primary).oneshot(1);
    assert!(AssertUnwindSafe(probe).catch_unwind().await.is_err());
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test]
async fn a_panic_in_the_backup_counts_against_the_backup() {
    let (backup, _) = primary(Behavior::PanicsInFuture);
    let layer = builder().backup(backup).build().unwrap();
    trip(layer.breaker());
    let call = layer.layer(primary(Behavior::Answers).0).oneshot(1);
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    let totals = layer.breaker().snapshot().totals;
    assert_eq!((totals.backup.failed, totals.primary.failed), (1, 3));
}

#[tokio::test]
async fn a_classifier_that_panics_ends_the_permit_and_leaves_the_breaker_alive() {
    let layer = CircuitBreakerLayer::builder()
        .classify_fn(|result: Result<&&'static str, &tower::BoxError>| match result {
            Ok(_) => panic!("a classifier's"),
            Err(_) => Outcome::Failure,
        })
        .build()
        .unwrap();
    let (primary, control) = primary(Behavior::Answers);
    let mut service = layer.layer(primary);
    let call = service.ready().await.unwrap().call(1);
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    assert_eq!(layer.breaker().snapshot().in_flight, 0);
    control.set(Behavior::Fails);
    assert!(service.ready().await.unwrap().call(1).await.is_err());
    let totals = layer.breaker().snapshot().totals.primary;
    assert_eq!((totals.cancelled, totals.failed), (1, 1));
}

// Rule 17: a panic elsewhere takes no breaker down.

#[derive(Debug)]
struct Faulty;

impl TripPolicy for Faulty {
    fn trip(&self, _: &Counts) -> Option<TripReason> {
        panic!("on purpose")
    }
}

#[test]
fn a_policy_that_panics_takes_no_caller_down() {
    let breaker = builder().trip_when(Faulty).build().unwrap().breaker().clone();
    for _ in 0..3 {
        breaker.try_acquire().unwrap().record(Outcome::Failure);
    }
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.snapshot().totals.primary.failed, 3);
}

/// A clock that panics while the test says so.
#[derive(Clone, Debug, Default)]
struct BrokenClock(Arc<AtomicBool>);

impl Clock for BrokenClock {
    fn now(&self) -> Duration {
        assert!(!self.0.load(Ordering::SeqCst), "on purpose");
        Duration::ZERO
    }
}

#[test]
fn a_clock_that_panics_poisons_no_lock() {
    let clock = BrokenClock::default();
    let layer = builder().slow_after(ms(100)).clock(clock.clone()).build().unwrap();
    let breaker = layer.breaker();
    let calls: [fn(&Breaker); 4] = [
        |breaker| drop(breaker.try_acquire()),
        |breaker| drop(breaker.snapshot()),
        |breaker| breaker.reset("a test"),
        |breaker| breaker.force_open("a test", Some(ms(100))),
    ];
    for call in calls {
        clock.0.store(true, Ordering::SeqCst);
        assert!(catch_unwind(AssertUnwindSafe(|| call(breaker))).is_err());
        clock.0.store(false, Ordering::SeqCst);
        breaker.try_acquire().unwrap().record(Outcome::Success);
        assert_eq!((breaker.state(), breaker.snapshot().in_flight), (State::Closed, 0));
    }
    trip(breaker);
}
