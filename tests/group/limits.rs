use tokio::time::advance;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_breaker::{Outcome, State, group::Group};

use crate::common::{breakers::*, durations::*, events::*, group::*, keyed::*};

#[tokio::test(start_paused = true)]
async fn no_more_than_the_set_share_trips_on_statistics() {
    let (group, breakers) = members(Group::builder().max_open_percent(50), 5);
    let tripped: Vec<bool> = breakers.iter().map(trips).collect();
    assert_eq!(tripped, [true, true, false, false, false]);
    assert_eq!((group.breakers(), group.open_count()), (5, 2));
}

#[tokio::test(start_paused = true)]
async fn the_share_can_be_set_anew() {
    let (group, breakers) = members(Group::builder().max_open_percent(50), 4);
    assert!(breakers[..2].iter().all(trips) && !trips(&breakers[2]));
    group.set_max_open_percent(75).unwrap();
    call(&breakers[2], Outcome::Failure);
    assert_eq!(group.open_count(), 3);
    let error = group.set_max_open_percent(0).unwrap_err();
    assert_eq!(error.to_string(), "max_open_percent must be 1 to 100, but is 0");
    assert_eq!(group.max_open_percent(), 75);
}

#[tokio::test(start_paused = true)]
async fn one_may_always_be_open() {
    let (_, breakers) = members(Group::builder().max_open_percent(1), 3);
    let tripped: Vec<bool> = breakers.iter().map(trips).collect();
    assert_eq!(tripped, [true, false, false]);
    let (_, alone) = members(Group::builder(), 1);
    assert!(trips(&alone[0]));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_held_back_says_so_once_in_a_while() {
    let log = Log::default();
    let group = Group::builder().build().unwrap();
    let build = |name| named(name).group(&group).on_event(log.observer()).build().unwrap();
    let layers = ["a", "b"].map(build);
    assert!(trips(layers[0].breaker()));
    log.take();
    for _ in 0..10 {
        assert!(!trips(layers[1].breaker()));
    }
    assert_eq!(
        log.take(),
        ["b: held back, since its group has as many open breakers as it allows: 3 bad calls in a row (threshold 3)"]
    );
    advance(secs(10)).await;
    call(layers[1].breaker(), Outcome::Failure);
    assert_eq!(log.take().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_held_back_trips_at_its_next_bad_call_once_another_has_closed() {
    let (group, breakers) = members(Group::builder(), 2);
    assert!(trips(&breakers[0]) && !trips(&breakers[1]));
    // Half-open is not closed.
    advance(ms(1001)).await;
    call(&breakers[0], Outcome::Success);
    assert_eq!(breakers[0].state(), State::HalfOpen);
    call(&breakers[1], Outcome::Failure);
    assert_eq!(breakers[1].state(), State::Closed);
    breakers[0].reset("an example");
    assert_eq!(group.open_count(), 0);
    call(&breakers[1], Outcome::Failure);
    assert_eq!(breakers[1].state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn half_open_may_reopen_without_asking_again() {
    let (group, breakers) = members(Group::builder(), 2);
    assert!(trips(&breakers[0]));
    for _ in 0..3 {
        advance(ms(1001)).await;
        call(&breakers[0], Outcome::Failure);
        assert_eq!(breakers[0].state(), State::Open);
        assert_eq!(group.open_count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_opened_for_another_reason_counts_and_is_never_held_back() {
    let (group, breakers) = members(Group::builder(), 4);
    breakers[0].force_open("an example", None);
    assert!(breakers[1].trip(disk_is_full()) && breakers[2].trip(disk_is_full()));
    assert_eq!(group.open_count(), 3);
    assert!(!trips(&breakers[3]));
}

#[tokio::test(start_paused = true)]
async fn shadow_mode_needs_no_place_and_takes_none() {
    let (group, breakers) = members(Group::builder(), 2);
    breakers[0].shadow("an example", None);
    assert!(!trips(&breakers[0]));
    assert_eq!(group.open_count(), 0);
    assert!(trips(&breakers[1]));
}

#[tokio::test(start_paused = true)]
async fn those_that_are_gone_do_not_count() {
    let (group, mut breakers) = members(Group::builder(), 4);
    assert!(trips(&breakers[0]) && trips(&breakers[1]) && !trips(&breakers[2]));
    breakers.remove(0);
    assert_eq!((group.breakers(), group.open_count()), (3, 1));
    // One of three may be.
    call(&breakers[1], Outcome::Failure);
    assert_eq!(breakers[1].state(), State::Closed);
    breakers.remove(0);
    assert_eq!((group.breakers(), group.open_count()), (2, 0));
    call(&breakers[0], Outcome::Failure);
    assert_eq!(breakers[0].state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn where_too_few_are_closed_all_are_used() {
    let (group, breakers) = members(Group::builder().max_open_percent(100).panic_below_percent(50), 4);
    assert!(trips(&breakers[0]));
    for breaker in &breakers[1..3] {
        breaker.trip(disk_is_full());
    }
    assert!(group.is_panicking());
    for breaker in &breakers[..3] {
        // These calls have no outcome: the breakers go on as they were.
        for _ in 0..10 {
            call(breaker, Outcome::Success);
        }
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.snapshot().in_flight, 0);
    }
    breakers[0].reset("an example");
    assert!(!group.is_panicking());
    assert!(breakers[1].try_acquire().is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_forced_open_stays_so_in_a_panic() {
    let (group, breakers) = members(Group::builder().panic_below_percent(100), 2);
    breakers[0].force_open("an example", None);
    assert!(group.is_panicking());
    assert!(breakers[0].try_acquire().is_err());
}

#[tokio::test(start_paused = true)]
async fn breakers_probe_and_recover_in_a_panic() {
    let (group, breakers) = members(Group::builder().panic_below_percent(100), 2);
    assert!(trips_in_a_panic(&breakers[0]));
    let mut now = 0;
    while breakers[0].state() != State::Closed {
        advance(ms(100)).await;
        call(&breakers[0], Outcome::Success);
        now += 100;
        assert!(now < 20_000, "{:?}", breakers[0].snapshot());
    }
    assert!(!group.is_panicking());
}

fn trips_in_a_panic(breaker: &tower_breaker::Breaker) -> bool {
    for _ in 0..3 {
        call(breaker, Outcome::Failure);
    }
    breaker.state() == State::Open
}

#[tokio::test(start_paused = true)]
async fn services_of_all_kinds_call_the_primary_in_a_panic() {
    let group = Group::builder().panic_below_percent(100).build().unwrap();
    let service = || service_fn(|_: u32| async { Ok::<_, BoxError>("primary") });
    let backup = service_fn(|_: u32| async { Ok::<_, BoxError>("backup") });
    let with_backup = named("backup").group(&group).backup(backup).build().unwrap();
    let waiting = named("wait").group(&group).wait().build().unwrap();
    with_backup.breaker().trip(disk_is_full());
    waiting.breaker().trip(disk_is_full());
    assert_eq!(with_backup.layer(service()).oneshot(1).await.unwrap(), "primary");
    assert_eq!(waiting.layer(service()).oneshot(1).await.unwrap(), "primary");
    // One whose primary isn't ready waits for it, and doesn't spin.
    let unready = tower::service_fn(|_: u32| async { Ok::<_, BoxError>("primary") });
    let unready = tower::limit::ConcurrencyLimit::new(unready, 0);
    let waits = tokio::time::timeout(secs(5), waiting.layer(unready).oneshot(1));
    assert!(waits.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_primary_is_not_ready_waits_for_it_in_a_panic() {
    let group = Group::builder().panic_below_percent(100).build().unwrap();
    let layer = keyed().group(&group).build().unwrap();
    send(&layer.layer(primary()), good("a")).await;
    let breaker = layer.breakers().get(&"a").unwrap();
    breaker.trip(disk_is_full());
    assert!(breaker.state() == State::Open && group.is_panicking());
    let (limit, service) = (tower::limit::ConcurrencyLimit::new(primary(), 1), layer.clone());
    let mut holder = limit.clone();
    let place = holder.ready().await.unwrap();
    let call = tokio::spawn(service.layer(limit).oneshot(good("a")));
    tokio::task::yield_now().await;
    assert!(!call.is_finished(), "it waits, and doesn't spin");
    place.call(good("b")).await.unwrap();
    assert_eq!(call.await.unwrap().unwrap(), "primary");
}

#[tokio::test(start_paused = true)]
async fn the_breakers_of_keys_can_be_a_group() {
    let group = Group::builder().build().unwrap();
    let layer = keyed().group(&group).build().unwrap();
    let service = layer.layer(primary());
    for key in ["a", "b", "c"] {
        send(&service, good(key)).await;
    }
    // And the overflow.
    assert_eq!(group.breakers(), 4);
    let tripped = ["a", "b", "c"].map(|key| trips(&layer.breakers().get(&key).unwrap()));
    assert_eq!(tripped, [true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn an_evicted_breaker_counts_no_more_though_a_handle_of_it_is_left() {
    let group = Group::builder().build().unwrap();
    let layer = keyed().idle_after(secs(60)).group(&group).build().unwrap();
    let service = layer.layer(primary());
    send(&service, good("a")).await;
    let handle = layer.breakers().get(&"a").unwrap();
    layer.breakers().evict_idle();
    advance(secs(60)).await;
    assert_eq!(layer.breakers().evict_idle(), 1);
    assert_eq!((group.breakers(), group.open_count()), (1, 0), "the overflow is left");
    assert!(trips(&handle));
    handle.force_open("an example", None);
    assert_eq!((group.breakers(), group.open_count()), (1, 0));
    drop(handle);
    assert_eq!((group.breakers(), group.open_count()), (1, 0));
}

#[test]
fn bad_settings_are_refused() {
    let refused = |group: tower_breaker::group::GroupBuilder| group.build().unwrap_err().to_string();
    assert_eq!(
        refused(Group::builder().max_open_percent(0)),
        "max_open_percent must be 1 to 100, but is 0"
    );
    assert_eq!(
        refused(Group::builder().max_open_percent(101)),
        "max_open_percent must be 1 to 100, but is 101"
    );
    assert_eq!(
        refused(Group::builder().panic_below_percent(101)),
        "panic_below_percent must be 0 to 100, but is 101"
    );
}
