use std::{future::pending, task::Poll, time::Duration};

use futures::{FutureExt, future::poll_fn, task::noop_waker_ref};
use tokio::time::{advance, timeout};
use tower::{Layer, Service, ServiceExt};
use tower_breaker::{
    CircuitBreaker, CircuitBreakerLayer, Outcome, State, classify::ErrorsAsFailures, on_open::Wait, recovery::Recovery,
};

use crate::support::*;

fn layer() -> CircuitBreakerLayer<Wait> {
    builder().wait().build().unwrap()
}

fn poll_ready(service: &mut CircuitBreaker<Primary, Wait, ErrorsAsFailures>) -> bool {
    service
        .poll_ready(&mut std::task::Context::from_waker(noop_waker_ref()))
        .is_ready()
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_not_ready() {
    let layer = layer();
    trip(layer.breaker());
    let mut service = layer.layer(primary(Behavior::Answers).0);
    assert!(!poll_ready(&mut service));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_caller_gets_the_probe_when_the_open_time_is_up() {
    let layer = layer();
    trip(layer.breaker());
    let service = layer.layer(primary(Behavior::Answers).0);
    // There are no other calls, and only the timer polls.
    assert_eq!(service.oneshot(1).await.unwrap(), "primary");
    assert_eq!(layer.breaker().snapshot().share, 20);
}

#[tokio::test(start_paused = true)]
async fn a_closed_breaker_waits_for_the_primary_and_notices_a_trip() {
    let layer = layer();
    let (primary, control) = primary(Behavior::NeverReady);
    let waiting = tokio::spawn(layer.layer(primary).oneshot(1));
    tokio::task::yield_now().await;
    trip(layer.breaker());
    tokio::task::yield_now().await;
    control.set(Behavior::Answers);
    advance(ms(999)).await;
    assert!(
        !waiting.is_finished(),
        "open: the primary's readiness is of no interest"
    );
    assert_eq!(waiting.await.unwrap().unwrap(), "primary");
}

#[tokio::test(start_paused = true)]
async fn what_poll_ready_granted_call_keeps() {
    let layer = layer();
    let mut service = layer.layer(primary(Behavior::Answers).0);
    assert!(poll_ready(&mut service));
    trip(layer.breaker());
    assert_eq!(service.call(1).await.unwrap(), "primary");
    assert_eq!(layer.breaker().state(), State::Open, "its outcome is stale");
    assert_eq!(layer.breaker().snapshot().totals.primary.stale, 1);
}

#[tokio::test(start_paused = true)]
async fn one_reservation_at_a_time_in_a_trial() {
    let layer = layer();
    trip_and_cool(layer.breaker()).await;
    let service = layer.layer(primary(Behavior::Answers).0);
    let [mut one, mut two] = [service.clone(), service];
    assert!(poll_ready(&mut one));
    assert!(poll_ready(&mut one), "asked again, it is the same reservation");
    assert!(!poll_ready(&mut two));
    assert_eq!(one.call(1).await.unwrap(), "primary");
    assert_eq!(layer.breaker().snapshot().share, 20);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_is_given_back_when_its_service_is_dropped() {
    let layer = layer();
    trip_and_cool(layer.breaker()).await;
    let service = layer.layer(primary(Behavior::Answers).0);
    let [mut one, mut two] = [service.clone(), service];
    assert!(poll_ready(&mut one));
    drop(one);
    assert!(poll_ready(&mut two));
}

#[tokio::test(start_paused = true)]
async fn a_reservation_runs_out_with_no_poll_and_is_kept_all_the_same() {
    let layer = layer();
    trip_and_cool(layer.breaker()).await;
    let service = layer.layer(primary(Behavior::Answers).0);
    let [mut idle, mut two] = [service.clone(), service];
    assert!(poll_ready(&mut idle));
    assert!(!poll_ready(&mut two));
    advance(ms(1001)).await;
    assert!(
        poll_ready(&mut two),
        "the place is free again, though the idle one was never polled"
    );
    assert_eq!(idle.call(1).await.unwrap(), "primary");
    assert_eq!(layer.breaker().snapshot().share, 0, "its outcome decides nothing");
    assert_eq!(two.call(1).await.unwrap(), "primary");
    assert_eq!(layer.breaker().snapshot().share, 20);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_ran_out_is_noticed_when_polled_again() {
    let layer = layer();
    trip_and_cool(layer.breaker()).await;
    let service = layer.layer(primary(Behavior::Answers).0);
    let [mut one, mut two] = [service.clone(), service];
    assert!(poll_ready(&mut one));
    advance(ms(1001)).await;
    assert!(poll_ready(&mut two));
    assert!(!poll_ready(&mut one), "the other has the place now");
}

#[tokio::test(start_paused = true)]
async fn manual_control_wakes_the_tasks_that_wait() {
    let layer = layer();
    layer.breaker().force_open("maintenance", None);
    let waiting = tokio::spawn(layer.layer(primary(Behavior::Answers).0).oneshot(1));
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    layer.breaker().reset("done");
    let answer = timeout(ms(1), waiting).await.expect("woken at once");
    assert_eq!(answer.unwrap().unwrap(), "primary");
}

#[tokio::test(start_paused = true)]
async fn a_forced_open_breaker_that_reverts_wakes_the_tasks_that_wait() {
    let layer = layer();
    layer.breaker().force_open("maintenance", ms(5000));
    let service = layer.layer(primary(Behavior::Answers).0);
    let answer = timeout(ms(5100), service.oneshot(1)).await;
    assert_eq!(answer.expect("by its timer").unwrap(), "primary");
}

#[tokio::test(start_paused = true)]
async fn all_of_many_waiting_callers_are_served_in_the_end() {
    let layer = layer();
    trip(layer.breaker());
    let service = layer.layer(primary(Behavior::Answers).0);
    let calls: Vec<_> = (0..200).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
    for call in calls {
        let answer = timeout(ms(60_000), call).await.expect("served");
        assert_eq!(answer.unwrap().unwrap(), "primary");
    }
    assert_eq!(layer.breaker().snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_waiter_is_forgotten() {
    let layer = layer();
    layer.breaker().force_open("maintenance", None);
    let mut service = layer.layer(primary(Behavior::Answers).0);
    let waiting = poll_fn(|cx| match service.poll_ready(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => Poll::Pending,
    });
    tokio::select! {
        () = waiting => panic!("open"),
        () = tokio::time::sleep(ms(10)) => {}
        () = pending() => {}
    }
    drop(service);
    layer.breaker().reset("no task is left to be woken");
    assert!(
        layer
            .layer(primary(Behavior::Answers).0)
            .oneshot(1)
            .now_or_never()
            .is_some()
    );
    layer.breaker().try_acquire().unwrap().record(Outcome::Success);
}

#[tokio::test(start_paused = true)]
async fn manual_control_ends_a_wait_whose_timer_is_still_long() {
    let layer = layer();
    layer.breaker().force_open("maintenance", ms(600_000));
    let waiting = tokio::spawn(layer.layer(primary(Behavior::Answers).0).oneshot(1));
    tokio::task::yield_now().await;
    layer.breaker().automatic("done early");
    let answer = timeout(ms(1000), waiting)
        .await
        .expect("woken, and not held up by its timer");
    assert_eq!(answer.unwrap().unwrap(), "primary");
}

#[tokio::test(start_paused = true)]
async fn a_readiness_error_after_a_reservation_reopens() {
    let layer = layer();
    trip_and_cool(layer.breaker()).await;
    let mut service = layer.layer(primary(Behavior::ReadinessFails).0);
    assert!(service.ready().await.is_err());
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test]
async fn a_reservation_that_runs_out_at_once_does_not_keep_the_thread() {
    let recovery = Recovery::gradual().probe_timeout(Duration::from_nanos(1));
    let layer = builder()
        .open_duration(ms(1))
        .recovery(recovery)
        .wait()
        .build()
        .unwrap();
    trip(layer.breaker());
    tokio::time::sleep(ms(5)).await; // Real time: the reservation has to run out within a poll.
    let mut service = layer.layer(primary(Behavior::NeverReady).0);
    assert!(!poll_ready(&mut service));
}
