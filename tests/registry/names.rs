use futures::StreamExt;
use tower::Layer;
use tower_breaker::{Config, config::SlowAfter, policy::ConsecutiveFailures, registry::Registry};

use crate::common::{breakers::*, durations::*, keyed::*};

fn names(registry: &Registry) -> Vec<String> {
    registry
        .breakers()
        .iter()
        .map(|breaker| breaker.name().to_owned())
        .collect()
}

#[test]
fn every_breaker_is_found_by_its_name_and_listed() {
    let registry = Registry::new();
    let _layers = ["search", "payments"].map(|name| named(name).registry(&registry).build().unwrap());
    assert_eq!(names(&registry), ["payments", "search"]);
    let found = registry.get("search").unwrap();
    assert!(trips(&found));
    assert!(trips(&registry.get("payments").unwrap()));
}

#[test]
fn an_unknown_name_is_an_error_and_creates_nothing() {
    let registry = Registry::new();
    let error = registry.get("pay\nments").unwrap_err();
    assert_eq!(error.to_string(), r#"there is no breaker "pay\nments""#);
    assert!(names(&registry).is_empty());
}

#[test]
fn a_name_is_taken_once_and_free_again_when_its_breaker_is_gone() {
    let registry = Registry::new();
    let build = || named("search").registry(&registry).build();
    let layer = build().unwrap();
    assert_eq!(
        build().unwrap_err().to_string(),
        "name must be one that no other breaker of the registry has, but is \"search\""
    );
    assert!(keyed().name("search").registry(&registry).build().is_err());
    let handle = layer.breaker().clone();
    drop(layer);
    assert_eq!(names(&registry), ["search"], "a handle is left");
    drop(handle);
    assert!(names(&registry).is_empty());
    assert!(registry.get("search").is_err());
    build().unwrap();
}

#[test]
fn a_build_that_fails_takes_no_name() {
    let registry = Registry::new();
    assert!(
        named("search")
            .open_duration(ms(0))
            .registry(&registry)
            .build()
            .is_err()
    );
    named("search").registry(&registry).build().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_breakers_of_keys_are_listed_too() {
    let registry = Registry::new();
    let layer = keyed().registry(&registry).build().unwrap();
    let service = layer.layer(primary());
    send(&service, good("b")).await;
    send(&service, good("a")).await;
    assert_eq!(names(&registry), ["hosts (overflow)", r#"hosts["a"]"#, r#"hosts["b"]"#]);
    registry.get(r#"hosts["a"]"#).unwrap().force_open("an example", None);
    assert_eq!(send(&service, good("a")).await, Reply::Refusal);
    drop(service);
    drop(layer);
    assert!(names(&registry).is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_stream_tells_of_all_breakers_those_of_later_included() {
    let registry = Registry::new();
    let mut events = registry.subscribe();
    let search = named("search").registry(&registry).build().unwrap();
    let payments = named("payments").registry(&registry).build().unwrap();
    search.breaker().reset("an example");
    payments.breaker().reset("another");
    assert_eq!(events.next().await.unwrap().to_string(), "search: reset: an example");
    assert_eq!(events.next().await.unwrap().to_string(), "payments: reset: another");
    // The stream outlives its breakers: there may be others.
    drop((search, payments));
    assert!(futures::FutureExt::now_or_never(events.next()).is_none());
}

#[test]
fn what_the_code_says_holds_where_nothing_else_is_configured() {
    let registry = Registry::new();
    let layer = named("search").slow_after(ms(250)).registry(&registry).build().unwrap();
    let config = Config::new("search")
        .slow_after(ms(250))
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(ms(1000));
    assert_eq!(layer.breaker().config(), config);
    assert_eq!(config.settings().slow_after, SlowAfter::After(ms(250)));
}
