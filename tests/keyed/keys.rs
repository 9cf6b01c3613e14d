use tower::{BoxError, Layer, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, Outcome, State,
    config::SlowAfter,
    on_open::{CloneRequests, FailOverBudget},
    policy::TripReason,
};

use crate::common::{durations::*, events::*, keyed::*};

#[tokio::test(start_paused = true)]
async fn a_sick_key_takes_down_no_other() {
    let layer = keyed().build().unwrap();
    let service = layer.layer(primary());
    for _ in 0..3 {
        assert_eq!(send(&service, bad("a")).await, Reply::Failure);
    }
    assert_eq!(send(&service, good("a")).await, Reply::Refusal);
    assert_eq!(send(&service, good("b")).await, Reply::Answer("primary"));
    assert_eq!(layer.breakers().get(&"a").unwrap().state(), State::Open);
    assert_eq!(layer.breakers().get(&"b").unwrap().state(), State::Closed);
    // Clones and other services of the layer know it.
    assert_eq!(send(&layer.clone().layer(primary()), good("a")).await, Reply::Refusal);
}

#[tokio::test(start_paused = true)]
async fn access_returns_by_key() {
    let layer = keyed().build().unwrap();
    let service = layer.layer(primary());
    for _ in 0..3 {
        send(&service, bad("a")).await;
    }
    tokio::time::sleep(ms(1001)).await;
    assert_eq!(send(&service, good("a")).await, Reply::Answer("primary"));
    assert_eq!(layer.breakers().get(&"a").unwrap().snapshot().share, 20);
}

#[tokio::test(start_paused = true)]
async fn refused_calls_of_a_key_go_to_the_backup() {
    let backup = service_fn(|Request(key, _)| async move { Ok::<_, BoxError>(key) });
    let layer = keyed().backup(backup).build().unwrap();
    let service = layer.layer(primary());
    for _ in 0..3 {
        send(&service, bad("a")).await;
    }
    assert_eq!(send(&service, bad("a")).await, Reply::Answer("a"));
    let totals = layer.breakers().get(&"a").unwrap().snapshot().totals;
    assert_eq!((totals.refused, totals.backup.succeeded), (1, 1));
    // With a backup, what is slow is learned.
    let view = layer.breakers().get(&"a").unwrap().config();
    assert_eq!(view.settings().slow_after, SlowAfter::Auto);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_of_a_key_goes_to_the_backup() {
    let backup = service_fn(|_| async { Ok::<_, BoxError>("backup") });
    let layer = keyed()
        .backup(backup)
        .fail_over(CloneRequests, FailOverBudget::percent(100))
        .build()
        .unwrap();
    let service = layer.layer(primary());
    assert_eq!(send(&service, bad("a")).await, Reply::Answer("backup"));
    let totals = layer.breakers().get(&"a").unwrap().snapshot().totals;
    assert_eq!((totals.primary.failed, totals.failed_over), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn refused_calls_of_a_key_are_answered_on_the_spot() {
    let layer = keyed().respond(|Request(key, _), _| key).build().unwrap();
    let service = layer.layer(primary());
    for _ in 0..3 {
        send(&service, bad("a")).await;
    }
    assert_eq!(send(&service, good("a")).await, Reply::Answer("a"));
}

#[tokio::test(start_paused = true)]
async fn keys_beyond_the_most_share_a_breaker() {
    let layer = keyed().max_keys(2).build().unwrap();
    let service = layer.layer(primary());
    for key in ["a", "b", "c", "d"] {
        assert_eq!(send(&service, good(key)).await, Reply::Answer("primary"));
    }
    let breakers = layer.breakers();
    assert_eq!(breakers.len(), 2);
    assert!(breakers.get(&"c").is_none());
    assert_eq!(breakers.overflow().name(), "hosts (overflow)");
    for _ in 0..3 {
        send(&service, bad("c")).await;
    }
    assert_eq!(send(&service, good("d")).await, Reply::Refusal);
    assert_eq!(send(&service, good("a")).await, Reply::Answer("primary"));
}

#[tokio::test(start_paused = true)]
async fn to_ask_for_a_key_creates_nothing() {
    let layer = keyed().build().unwrap();
    assert!(layer.breakers().get(&"a").is_none());
    assert!(layer.breakers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn keys_may_be_of_any_size_and_any_bytes() {
    let layer = CircuitBreakerLayer::keyed(|request: &Vec<u8>| request.clone())
        .name("blobs")
        .build()
        .unwrap();
    let service = layer.layer(service_fn(|_: Vec<u8>| async { Ok::<_, BoxError>(()) }));
    let keys = [vec![], vec![0, 255, 27], vec![b'x'; 1 << 20], vec![b'x'; (1 << 20) + 1]];
    for key in &keys {
        tower::ServiceExt::oneshot(service.clone(), key.clone()).await.unwrap();
    }
    let mut names: Vec<_> = layer
        .breakers()
        .all()
        .iter()
        .map(|(_, b)| b.name().to_owned())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), keys.len());
    assert!(names.iter().all(|name| name.len() <= 256), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_each_key_waits_of_its_own_every_time() {
    let waits = || {
        let layer = keyed()
            .open_duration(tower_breaker::recovery::OpenDuration::growing(secs(1), secs(10)))
            .seed(7)
            .build()
            .unwrap();
        async move {
            let service = layer.layer(primary());
            let mut waits = Vec::new();
            for key in ["a", "b"] {
                send(&service, good(key)).await;
                let breaker = layer.breakers().get(&key).unwrap();
                assert!(breaker.trip(TripReason::custom("disk", 1.0, 0.0)));
                waits.push(breaker.snapshot().retry_after.unwrap());
            }
            waits
        }
    };
    let first = waits().await;
    assert_ne!(first[0], first[1]);
    assert_eq!(first, waits().await);
}

#[tokio::test(start_paused = true)]
async fn events_name_the_key() {
    let log = Log::default();
    let layer = keyed().on_event(log.observer()).build().unwrap();
    let service = layer.layer(primary());
    send(&service, good("a")).await;
    layer.breakers().get(&"a").unwrap().disable("an example", None);
    assert_eq!(log.take(), [r#"hosts[\"a\"]: automatic → disabled: an example"#]);
}

#[test]
fn bad_settings_are_refused() {
    let refused = |error: tower_breaker::ConfigError| error.to_string();
    assert_eq!(
        refused(keyed().max_keys(0).build().unwrap_err()),
        "max_keys must be 1 or more, but is 0"
    );
    assert_eq!(
        refused(keyed().idle_after(ms(999)).build().unwrap_err()),
        "idle_after must be at least 1 second, but is 999ms"
    );
    assert!(keyed().idle_after(secs(u64::MAX)).build().is_err());
    let longest = "x".repeat(234);
    assert_eq!(
        refused(keyed().name(longest.clone() + "x").build().unwrap_err()),
        "name must be 1 to 234 bytes long (the key has to fit in as well), but is 235 bytes long"
    );
    let layer = keyed().name(longest).build().unwrap();
    layer
        .breakers()
        .overflow()
        .try_acquire()
        .unwrap()
        .record(Outcome::Success);
    assert!(keyed().name("").build().is_err());
    assert!(keyed().open_duration(ms(0)).build().is_err());
}
