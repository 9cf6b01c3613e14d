use futures::StreamExt;
use tokio::time::advance;
use tower::Layer;
use tower_breaker::{keyed::Breakers, observe::Transition, registry::Registry};

use crate::common::{breakers::*, durations::*, events::*, keyed::*};

fn has(breakers: &Breakers<&'static str>, key: &'static str) -> bool {
    breakers.get(&key).is_some()
}

#[tokio::test(start_paused = true)]
async fn idle_keys_make_room_for_new_ones() {
    let layer = keyed().max_keys(1).idle_after(secs(60)).build().unwrap();
    let service = layer.layer(primary());
    send(&service, good("a")).await;
    // The first look finds that it has been used, and from now on it is idle.
    send(&service, good("b")).await;
    advance(ms(59_999)).await;
    send(&service, good("b")).await;
    assert!(has(layer.breakers(), "a") && !has(layer.breakers(), "b"));
    advance(ms(1)).await;
    send(&service, good("b")).await;
    assert!(!has(layer.breakers(), "a") && has(layer.breakers(), "b"));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_used_stays() {
    let layer = keyed().max_keys(1).idle_after(secs(60)).build().unwrap();
    let service = layer.layer(primary());
    for _ in 0..10 {
        send(&service, good("a")).await;
        send(&service, good("b")).await;
        advance(secs(59)).await;
    }
    assert!(has(layer.breakers(), "a"));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_closed_or_has_calls_in_flight_or_was_set_by_hand_stays() {
    let layer = keyed().idle_after(secs(60)).build().unwrap();
    let service = layer.layer(primary());
    for key in ["open", "busy", "by hand", "idle"] {
        send(&service, good(key)).await;
    }
    let breaker = |key| layer.breakers().get(&key).unwrap();
    breaker("open").trip(disk_is_full());
    breaker("by hand").disable("an example", None);
    let permit = breaker("busy").try_acquire().unwrap();
    assert_eq!(layer.breakers().evict_idle(), 0);
    advance(secs(61)).await;
    assert_eq!(layer.breakers().evict_idle(), 1);
    assert!(!has(layer.breakers(), "idle"));
    // They go once nothing keeps them.
    permit.record(tower_breaker::Outcome::Success);
    breaker("open").reset("an example");
    breaker("by hand").automatic("an example");
    assert_eq!(layer.breakers().evict_idle(), 3);
    assert!(layer.breakers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_eviction_is_an_event_and_the_stream_ends() {
    let log = Log::default();
    let registry = Registry::new();
    let layer = keyed()
        .idle_after(secs(60))
        .on_event(log.observer())
        .registry(&registry)
        .build()
        .unwrap();
    let mut all = registry.subscribe();
    send(&layer.layer(primary()), good("a")).await;
    let breaker = layer.breakers().get(&"a").unwrap();
    let mut events = breaker.subscribe();
    layer.breakers().evict_idle();
    advance(secs(60)).await;
    assert_eq!(layer.breakers().evict_idle(), 1);
    assert_eq!(
        log.take(),
        [r#"hosts[\"a\"]: evicted: its key has not been used for long"#]
    );
    assert!(registry.get(r#"hosts["a"]"#).is_err());
    assert_eq!(events.next().await.unwrap().transition, Transition::Evicted);
    assert_eq!(events.next().await, None);
    assert_eq!(all.next().await.unwrap().transition, Transition::Evicted);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_comes_back_starts_afresh() {
    let layer = keyed().idle_after(secs(60)).build().unwrap();
    let service = layer.layer(primary());
    send(&service, bad("a")).await;
    send(&service, bad("a")).await;
    layer.breakers().evict_idle();
    advance(secs(60)).await;
    assert_eq!(layer.breakers().evict_idle(), 1);
    send(&service, bad("a")).await;
    assert_eq!(send(&service, good("a")).await, Reply::Answer("primary"));
}

#[tokio::test(start_paused = true)]
async fn reading_a_key_is_not_using_it() {
    let layer = keyed().idle_after(secs(60)).build().unwrap();
    send(&layer.layer(primary()), good("a")).await;
    layer.breakers().evict_idle();
    advance(secs(60)).await;
    assert!(has(layer.breakers(), "a"));
    assert_eq!(layer.breakers().all().len(), 1);
    assert_eq!(layer.breakers().evict_idle(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_idle_keys_are_found_a_few_at_each_new_one() {
    let key = |request: &usize| *request;
    let layer = tower_breaker::CircuitBreakerLayer::keyed(key)
        .max_keys(1000)
        .idle_after(secs(60))
        .build()
        .unwrap();
    let service = layer.layer(tower::service_fn(|_: usize| async { Ok::<_, tower::BoxError>(()) }));
    let call = |key| tower::ServiceExt::oneshot(service.clone(), key);
    for key in 0..1000 {
        call(key).await.unwrap();
    }
    advance(secs(60)).await;
    // Two looks at each of a thousand, eight with each new key.
    for key in 1000..1125 {
        call(key).await.unwrap();
    }
    advance(secs(60)).await;
    for key in 1125..1250 {
        call(key).await.unwrap();
    }
    let left = layer.breakers().all();
    assert!(left.len() <= 250, "{}", left.len());
    assert!(left.iter().all(|(key, _)| *key >= 1000));
}
