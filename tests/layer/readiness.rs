use std::{
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, task::noop_waker};
use tokio::time::{advance, timeout};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, buffer::Buffer, limit::ConcurrencyLimit};
use tower_breaker::{CircuitBreakerLayer, State, config::CancelledCalls};

use crate::support::*;

fn poll_ready<S: Service<u32>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(&noop_waker()))
}

// Rule 4: the gate comes before the primary's readiness.

#[tokio::test]
async fn an_open_breaker_never_waits_for_the_primary() {
    let layer = builder().backup(Spare).build().unwrap();
    trip(layer.breaker());
    let (primary, control) = primary(Behavior::NeverReady);
    let mut service = layer.layer(primary);
    assert!(poll_ready(&mut service).is_ready());
    assert_eq!(service.call(1).await.unwrap(), "backup");
    assert_eq!(control.polls(), 0);
}

#[tokio::test]
async fn a_task_that_waits_for_the_primary_is_woken_by_a_trip() {
    let layer = builder().backup(Spare).build().unwrap();
    let (primary, _) = primary(Behavior::NeverReady);
    let waiting = tokio::spawn(layer.layer(primary).oneshot(1));
    tokio::task::yield_now().await;
    trip(layer.breaker());
    let answer = timeout(Duration::from_secs(5), waiting).await.expect("woken");
    assert_eq!(answer.unwrap().unwrap(), "backup");
}

#[tokio::test]
async fn a_task_that_waits_for_the_primary_is_woken_by_manual_control() {
    let layer = builder().backup(Spare).build().unwrap();
    let (primary, _) = primary(Behavior::NeverReady);
    let waiting = tokio::spawn(layer.layer(primary).oneshot(1));
    tokio::task::yield_now().await;
    layer.breaker().force_open("maintenance", None);
    assert_eq!(waiting.await.unwrap().unwrap(), "backup");
}

// Rule 5: no readiness error for "open", and no permit before `call`.

#[tokio::test]
async fn an_open_breaker_is_ready_and_rejects_in_the_call() {
    let layer = builder().build().unwrap();
    trip(layer.breaker());
    let mut service = layer.layer(primary(Behavior::Answers).0);
    assert!(matches!(poll_ready(&mut service), Poll::Ready(Ok(()))));
    let error = service.call(1).await.unwrap_err();
    let open = error.downcast_ref::<tower_breaker::CircuitOpen>().expect("a rejection");
    assert!(open.retry_after().is_some_and(|after| after <= ms(1000)));
}

#[tokio::test(start_paused = true)]
async fn a_clone_that_is_polled_and_never_called_does_not_hold_the_probe() {
    let layer = builder().build().unwrap();
    trip_and_cool(layer.breaker()).await;
    let service = layer.layer(primary(Behavior::Answers).0);
    let mut idle = service.clone();
    assert!(poll_ready(&mut idle).is_ready());
    assert_eq!(service.oneshot(1).await.unwrap(), "primary");
    drop(idle);
}

#[tokio::test]
async fn a_gate_that_shuts_between_ready_and_call_diverts() {
    let layer = builder().backup(Spare).build().unwrap();
    let mut service = layer.layer(primary(Behavior::Answers).0);
    assert!(poll_ready(&mut service).is_ready());
    trip(layer.breaker());
    assert_eq!(service.call(1).await.unwrap(), "backup");
}

#[tokio::test]
async fn a_gate_that_opens_between_ready_and_call_waits_for_the_primary_first() {
    let layer = builder().backup(Spare).build().unwrap();
    trip(layer.breaker());
    let (primary, control) = primary(Behavior::Answers);
    let mut service = layer.layer(primary);
    assert!(poll_ready(&mut service).is_ready());
    layer.breaker().reset("healthy after all");
    assert_eq!(service.call(1).await.unwrap(), "primary");
    assert!(!control.was_called_unready());
}

#[tokio::test]
async fn a_call_without_poll_ready_waits_for_the_primary_first() {
    let layer = builder().build().unwrap();
    let (primary, control) = primary(Behavior::Answers);
    assert_eq!(layer.layer(primary).call(1).await.unwrap(), "primary");
    assert!(!control.was_called_unready());
}

// Rule 6: no stranded reservations.

/// A service that answers when the test says so, behind a limit of one.
fn limited() -> (ConcurrencyLimit<Primary>, std::sync::Arc<Control>) {
    let (primary, control) = primary(Behavior::Answers);
    (ConcurrencyLimit::new(primary, 1), control)
}

#[tokio::test]
async fn a_slot_that_a_clone_was_ready_for_is_free_after_a_trip() {
    let (limited, _) = limited();
    let layer = builder().backup(Spare).build().unwrap();
    let mut holder = layer.layer(limited.clone());
    assert!(poll_ready(&mut holder).is_ready());
    let mut other = limited.clone();
    assert!(poll_ready(&mut other).is_pending(), "the holder has the only slot");
    trip(layer.breaker());
    // The call goes to the backup, and with it the slot becomes free, though the holder lives on.
    assert_eq!(holder.call(1).await.unwrap(), "backup");
    assert!(poll_ready(&mut other).is_ready());
}

#[tokio::test]
async fn a_slot_is_free_when_poll_ready_finds_the_gate_shut() {
    let (limited, _) = limited();
    let layer = builder().backup(Spare).build().unwrap();
    let mut holder = layer.layer(limited.clone());
    assert!(poll_ready(&mut holder).is_ready());
    trip(layer.breaker());
    assert!(poll_ready(&mut holder).is_ready());
    assert!(poll_ready(&mut limited.clone()).is_ready());
}

#[tokio::test]
async fn a_place_in_the_queue_is_given_up_too() {
    let (limited, _) = limited();
    let mut elsewhere = limited.clone();
    assert!(poll_ready(&mut elsewhere).is_ready());
    let layer = builder().backup(Spare).build().unwrap();
    let mut queued = layer.layer(limited.clone());
    assert!(poll_ready(&mut queued).is_pending());
    trip(layer.breaker());
    assert!(poll_ready(&mut queued).is_ready());
    // Had it kept its place, the slot would now go to it, and to no other call.
    drop(elsewhere);
    assert!(poll_ready(&mut limited.clone()).is_ready());
}

#[tokio::test]
async fn a_buffers_slot_is_free_after_a_trip() {
    let (primary, control) = primary(Behavior::NeverReady);
    let buffer = Buffer::new(primary, 1);
    let layer = builder().backup(Spare).build().unwrap();
    let mut one = layer.layer(buffer.clone());
    let mut two = layer.layer(buffer.clone());
    assert!(poll_ready(&mut one).is_ready());
    assert!(poll_ready(&mut two).is_pending(), "one has the buffer's only slot");
    trip(layer.breaker());
    assert_eq!(one.call(1).await.unwrap(), "backup");
    assert_eq!(two.ready().await.unwrap().call(1).await.unwrap(), "backup");
    control.set(Behavior::Answers);
    let mut other = buffer.clone();
    let answer = timeout(Duration::from_secs(5), async { other.ready().await?.call(1).await });
    assert_eq!(answer.await.expect("the slot is free").unwrap(), "primary");
}

// Rule 7: a service is never called unready.

#[tokio::test(start_paused = true)]
async fn the_backups_readiness_is_awaited_in_the_future() {
    let (backup, control) = primary(Behavior::NeverReady);
    let layer = builder().backup(backup).build().unwrap();
    trip(layer.breaker());
    let mut service = layer.layer(primary(Behavior::Answers).0);
    assert!(poll_ready(&mut service).is_ready());
    let mut call = Box::pin(service.call(1));
    assert!(call.as_mut().now_or_never().is_none());
    control.set(Behavior::Answers);
    assert_eq!(call.await.unwrap(), "primary");
    assert!(!control.was_called_unready());
}

#[tokio::test(start_paused = true)]
async fn a_half_open_breaker_awaits_the_primarys_readiness_in_the_future() {
    let layer = builder().backup(Spare).build().unwrap();
    trip_and_cool(layer.breaker()).await;
    let (primary, control) = primary(Behavior::NeverReady);
    let mut service = layer.layer(primary);
    assert!(
        poll_ready(&mut service).is_ready(),
        "half-open never blocks its callers"
    );
    let mut probe = Box::pin(service.call(1));
    assert!(probe.as_mut().now_or_never().is_none());
    assert_eq!(service.ready().await.unwrap().call(2).await.unwrap(), "backup");
    control.set(Behavior::Answers);
    assert_eq!(probe.await.unwrap(), "primary");
    assert!(!control.was_called_unready());
    assert_eq!(layer.breaker().snapshot().share, 20);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_not_polled_before_the_breaker_opens_again_goes_to_the_backup() {
    let layer = builder().backup(Spare).build().unwrap();
    trip_and_cool(layer.breaker()).await;
    let (primary, control) = primary(Behavior::Answers);
    let mut service = layer.layer(primary);
    assert!(poll_ready(&mut service).is_ready());
    let probe = service.call(1);
    layer.breaker().force_open("maintenance", None);
    assert_eq!(probe.await.unwrap(), "backup");
    assert_eq!(control.polls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_before_its_first_poll_is_no_failure_of_the_primary() {
    let layer = builder().cancelled_calls(CancelledCalls::Failure).build().unwrap();
    trip_and_cool(layer.breaker()).await;
    let mut service = layer.layer(primary(Behavior::Answers).0);
    drop(service.ready().await.unwrap().call(1));
    assert_eq!(layer.breaker().state(), State::HalfOpen);
    assert_eq!(service.ready().await.unwrap().call(2).await.unwrap(), "primary");
    assert_eq!(layer.breaker().snapshot().share, 20);
}

/// In half-open, after half a second with a primary that is never ready; five times as long as
/// would be slow.
async fn probe_that_has_waited() -> (CircuitBreakerLayer, Arc<Control>, Answer) {
    let layer = builder().slow_after(ms(100)).build().unwrap();
    trip_and_cool(layer.breaker()).await;
    let (primary, control) = primary(Behavior::NeverReady);
    let mut probe: Answer = Box::pin(layer.layer(primary).oneshot(1));
    assert!(probe.as_mut().now_or_never().is_none());
    advance(ms(500)).await;
    (layer, control, probe)
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_waits_is_not_slow_before_the_primary_is_ready() {
    let (layer, control, mut probe) = probe_that_has_waited().await;
    layer.breaker().try_acquire().expect_err("there is one probe");
    assert_eq!(layer.breaker().snapshot().totals.primary.slow, 0);
    control.set(Behavior::Hangs);
    assert!(probe.as_mut().now_or_never().is_none());
    advance(ms(150)).await;
    layer.breaker().try_acquire().expect_err("it hangs");
    assert_eq!(layer.breaker().snapshot().totals.primary.slow, 1);
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_waits_for_readiness_too_long_goes_to_the_backup_after_all() {
    let layer = builder().backup(Spare).build().unwrap();
    trip_and_cool(layer.breaker()).await;
    let service = layer.layer(primary(Behavior::NeverReady).0);
    let probe = tokio::spawn(service.clone().oneshot(1));
    tokio::task::yield_now().await;
    advance(ms(1100)).await;
    assert_eq!(service.oneshot(2).await.unwrap(), "backup");
    assert_eq!(probe.await.unwrap().unwrap(), "backup");
    assert_eq!(layer.breaker().state(), State::Open);
}

// Rule 8: the primary's readiness, its errors and its time.

#[tokio::test]
async fn a_readiness_error_counts_as_a_failure_and_surfaces_to_no_caller_with_a_backup() {
    let layer = builder().backup(Spare).build().unwrap();
    let (primary, control) = primary(Behavior::ReadinessFails);
    let mut service = layer.layer(primary);
    for _ in 0..3 {
        assert_eq!(layer.breaker().state(), State::Closed);
        assert_eq!(service.ready().await.unwrap().call(1).await.unwrap(), "backup");
    }
    assert_eq!(layer.breaker().state(), State::Open);
    assert_eq!(layer.breaker().snapshot().totals.readiness.errors, 3);
    assert_eq!(control.calls(), 0);
}

#[tokio::test]
async fn a_readiness_error_surfaces_where_there_is_no_backup() {
    let layer = builder().build().unwrap();
    let mut service = layer.layer(primary(Behavior::ReadinessFails).0);
    for _ in 0..3 {
        let error = service.ready().await.map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "not ready, ever");
    }
    assert_eq!(layer.breaker().state(), State::Open);
    assert!(
        service.ready().await.is_ok(),
        "the breaker's own refusal is no readiness error"
    );
}

#[tokio::test(start_paused = true)]
async fn a_readiness_error_of_the_probe_reopens_and_its_call_goes_to_the_backup() {
    let layer = builder().backup(Spare).build().unwrap();
    trip_and_cool(layer.breaker()).await;
    let service = layer.layer(primary(Behavior::ReadinessFails).0);
    assert_eq!(service.oneshot(1).await.unwrap(), "backup");
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_readiness_is_not_latency() {
    let layer = builder().slow_after(ms(100)).build().unwrap();
    let (primary, control) = primary(Behavior::NeverReady);
    let mut service = layer.layer(primary);
    assert!(poll_ready(&mut service).is_pending());
    advance(ms(500)).await;
    control.set(Behavior::Answers);
    service.ready().await.unwrap().call(1).await.unwrap();
    let totals = layer.breaker().snapshot().totals;
    assert_eq!(totals.primary.slow, 0);
    assert_eq!(totals.primary.mean_latency(), Some(Duration::ZERO));
    assert_eq!((totals.readiness.waits, totals.readiness.total), (1, ms(500)));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_readiness_is_not_latency_in_half_open_either() {
    let (layer, control, probe) = probe_that_has_waited().await;
    control.set(Behavior::Answers);
    probe.await.unwrap();
    let snapshot = layer.breaker().snapshot();
    assert_eq!((snapshot.totals.primary.slow, snapshot.share), (0, 20));
}

#[tokio::test]
async fn polling_ready_many_times_takes_one_slot() {
    let (limited, control) = limited();
    let layer = builder().build().unwrap();
    let mut service = layer.layer(limited.clone());
    for _ in 0..5 {
        assert!(poll_ready(&mut service).is_ready());
    }
    assert_eq!(service.call(1).await.unwrap(), "primary");
    assert_eq!(control.calls.load(Ordering::SeqCst), 1);
    assert!(poll_ready(&mut limited.clone()).is_ready());
}

// Rule 20: all of it holds around a buffer, a limit, or a primary that is never ready.

#[tokio::test]
async fn two_clones_around_a_limit_and_a_buffer_never_block_each_other_after_a_trip() {
    let (primary, control) = primary(Behavior::Hangs);
    let stack = ServiceBuilder::new().buffer(1).concurrency_limit(1).service(primary);
    let layer = builder().backup(Spare).build().unwrap();
    let service = layer.layer(stack);
    let mut tasks: Vec<_> = (0..6).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
    tokio::task::yield_now().await;
    trip(layer.breaker());
    let mut answered = 0;
    for task in &mut tasks {
        if let Ok(answer) = timeout(ms(200), task).await {
            assert_eq!(answer.unwrap().unwrap(), "backup");
            answered += 1;
        }
    }
    // One hangs in the primary and one in the buffer: both were let in before the trip.
    assert!(answered >= 3, "{answered}");
    control.set(Behavior::Answers);
    assert_eq!(service.oneshot(9).await.unwrap(), "backup");
    tasks.into_iter().for_each(|task| task.abort());
}

#[tokio::test]
async fn a_closed_buffer_is_a_primary_like_any_other() {
    let (primary, _) = primary(Behavior::ReadinessFails);
    let layer = builder().backup(Spare).build().unwrap();
    let mut service = layer.layer(Buffer::new(primary, 4));
    let mut errors = 0;
    for _ in 0..10 {
        match service.ready().await.unwrap().call(1).await {
            Ok(answer) => assert_eq!(answer, "backup"),
            Err(_) => errors += 1,
        }
    }
    assert!(
        errors <= 1,
        "only the call that was in the buffer when it closed: {errors}"
    );
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test]
async fn an_outer_buffer_outlives_a_primary_whose_readiness_fails() {
    let layer = builder().backup(Spare).build().unwrap();
    let mut service = Buffer::new(layer.layer(primary(Behavior::ReadinessFails).0), 4);
    for _ in 0..5 {
        let answer: Result<_, BoxError> = async { service.ready().await?.call(1).await }.await;
        assert_eq!(answer.unwrap(), "backup");
    }
}

#[tokio::test]
async fn the_backups_calls_are_counted_apart() {
    let layer = builder().backup(Spare).build().unwrap();
    let service = layer.layer(primary(Behavior::Answers).0);
    service.clone().oneshot(1).await.unwrap();
    trip(layer.breaker());
    service.oneshot(1).await.unwrap();
    let totals = layer.breaker().snapshot().totals;
    assert_eq!((totals.backup.calls, totals.backup.succeeded), (1, 1));
    assert_eq!((totals.primary.succeeded, totals.primary.failed), (1, 3));
    assert_eq!(
        totals.refused, 2,
        "this one, and the one that saw that the breaker had tripped"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_behind_a_limit_are_noticed_though_all_others_only_wait() {
    let layer = tower_breaker::CircuitBreakerLayer::builder()
        .slow_after(ms(100))
        .backup(Spare)
        .build()
        .unwrap();
    let service = layer.layer(ConcurrencyLimit::new(primary(Behavior::Hangs).0, 10));
    let calls: Vec<_> = (0..30).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
    // Only the tasks that wait can evaluate the breaker.
    tokio::time::sleep(ms(1200)).await;
    assert_eq!(layer.breaker().state(), State::Open);
    let served = calls.iter().filter(|call| call.is_finished()).count();
    assert_eq!(served, 20, "all but the ten that hang");
    calls.into_iter().for_each(|call| call.abort());
}

#[tokio::test(start_paused = true)]
async fn a_lone_probe_that_waits_for_readiness_goes_to_the_backup_when_its_time_is_up() {
    let layer = builder().backup(Spare).build().unwrap();
    trip_and_cool(layer.breaker()).await;
    let probe = layer.layer(primary(Behavior::NeverReady).0).oneshot(1);
    let answer = timeout(ms(1100), probe).await.expect("its own timer looks");
    assert_eq!(answer.unwrap(), "backup");
}

#[tokio::test(start_paused = true)]
async fn only_calls_that_had_to_wait_count_as_waiting() {
    let layer = builder().backup(Spare).build().unwrap();
    trip_and_cool(layer.breaker()).await;
    let service = layer.layer(primary(Behavior::Answers).0);
    assert_eq!(service.oneshot(1).await.unwrap(), "primary");
    assert_eq!(layer.breaker().snapshot().totals.readiness.waits, 0);
}

#[test]
fn outside_a_runtime_a_wait_needs_no_timer() {
    let layer = builder().slow_after(ms(100)).backup(Spare).build().unwrap();
    let _hangs = layer.breaker().try_acquire().unwrap();
    let mut service = layer.layer(primary(Behavior::NeverReady).0);
    assert!(poll_ready(&mut service).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waited_first_notices_calls_that_hang_or_fail_later() {
    for (slow_after, failing) in [(None, true), (Some(ms(300)), false)] {
        let layer = tower_breaker::CircuitBreakerLayer::builder()
            .slow_after(slow_after)
            .backup(Spare)
            .build()
            .unwrap();
        let waiting = tokio::spawn(layer.layer(primary(Behavior::NeverReady).0).oneshot(1));
        tokio::task::yield_now().await;
        let calls: Vec<_> = (0..20).map(|_| layer.breaker().try_acquire().unwrap()).collect();
        let mut hung = Vec::new();
        for call in calls {
            if failing {
                call.record(tower_breaker::Outcome::Failure);
            } else {
                hung.push(call);
            }
        }
        // There are no other calls from here on.
        let answer = timeout(ms(1500), waiting).await.expect("its own timer looks");
        assert_eq!(answer.unwrap().unwrap(), "backup");
    }
}
