use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, Outcome,
    agent::Agent,
    classify::{ErrorsAsFailures, ShowErrors},
    policy::ConsecutiveFailures,
    registry::Registry,
};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn all_breakers_are_listed() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let _layers = ["b", "a"].map(|name| layer(&registry, name));
    sleep(ms(1500)).await;
    let list = get(&console, "/api/breakers").await;
    let names: Vec<_> = list["breakers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(list["all"], true);
}

#[tokio::test(start_paused = true)]
async fn why_it_tripped_is_shown_and_for_how_long_it_is_open() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let layer = layer(&registry, "a");
    call(&layer, Outcome::Failure);
    let one = get(&console, "/api/breakers/a").await;
    assert_eq!(
        one["readings"],
        json!([{ "name": "consecutive failures", "measured": 1.0, "threshold": 3.0 }])
    );
    assert_eq!((&one["why"], &one["retry_at"]), (&Value::Null, &Value::Null));
    trip_rest(&layer);
    let one = get(&console, "/api/breakers/a").await;
    assert_eq!(one["state"], "open");
    let text = "3 bad calls in a row (threshold 3)";
    let why = json!({ "text": text, "name": "consecutive failures", "measured": 3.0, "threshold": 3.0 });
    assert_eq!(one["why"], why);
    let now = get(&console, "/api/breakers").await["now"].as_u64().unwrap();
    let left = one["retry_at"].as_u64().unwrap().abs_diff(now);
    assert!((9_000..=10_500).contains(&left), "{left}");

    // A trial that fails leaves the first reason standing.
    sleep(secs(10)).await;
    call(&layer, Outcome::Failure);
    let one = get(&console, "/api/breakers/a").await;
    assert_eq!(one["why"], why);
    assert_eq!(one["last_trial"], "1 of 1 trial calls bad (threshold 1)");
    assert_eq!(one["attempt"], 1);
}

fn trip_rest(layer: &CircuitBreakerLayer) {
    call(layer, Outcome::Failure);
    call(layer, Outcome::Failure);
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_last_second_and_of_fifteen_minutes_are_shown() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let layer = layer(&registry, "a");
    for second in 0..1000 {
        for _ in 0..4 {
            call(&layer, Outcome::Success);
        }
        if second % 2 == 0 {
            call(&layer, Outcome::Failure);
        }
        sleep(secs(1)).await;
    }
    let one = get(&console, "/api/breakers/a").await;
    let rates = &one["rates"];
    assert!(rates["calls"] == 4 || rates["calls"] == 5, "{rates}");
    let history = one["history"].as_array().unwrap();
    assert_eq!(history.len(), 180);
    for point in &history[1..] {
        assert!((3.9..=4.1).contains(&point["good"].as_f64().unwrap()), "{point}");
        assert!((0.3..=0.7).contains(&point["failed"].as_f64().unwrap()), "{point}");
        assert_eq!((&point["share"], &point["state"]), (&100.into(), &"closed".into()));
    }
    assert_eq!(one["totals"]["primary"]["succeeded"], 4000);
    assert_eq!(one["totals"]["primary"]["failed"], 500);
}

#[tokio::test(start_paused = true)]
async fn the_backup_has_figures_of_its_own() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let layer = CircuitBreakerLayer::builder()
        .name("a")
        .trip_when(ConsecutiveFailures::of(3))
        .backup(service_fn(|good: bool| async move {
            sleep(ms(100)).await;
            if good { Ok(()) } else { Err(BoxError::from("no")) }
        }))
        .registry(&registry)
        .build()
        .unwrap();
    layer.breaker().force_open("an example", None);
    let service = layer.layer(service_fn(|_: bool| async { Ok::<_, BoxError>(()) }));
    sleep(ms(1100)).await;
    for good in [true, true, false] {
        let _ = service.clone().oneshot(good).await;
    }
    sleep(ms(700)).await;
    let one = get(&console, "/api/breakers/a").await;
    let rates = &one["rates"];
    assert_eq!(
        (&rates["backup"], &rates["backup_failed"], &rates["refused"]),
        (&3.into(), &1.into(), &3.into())
    );
    let latency = rates["backup_latency"].as_f64().unwrap();
    assert!((0.1..0.12).contains(&latency), "{latency}");
    assert_eq!(one["has_backup"], true);
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_of_all_and_of_each() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let (a, b) = (layer(&registry, "a"), layer(&registry, "b"));
    sleep(ms(1500)).await;
    trip(&a);
    b.breaker().disable("an example", None);
    sleep(secs(1)).await;
    let list = get(&console, "/api/breakers").await;
    let texts: Vec<_> = list["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["text"])
        .collect();
    assert_eq!(
        texts,
        [
            "closed → open for 10.0 s: 3 bad calls in a row (threshold 3)",
            "automatic → disabled: an example"
        ]
    );
    let one = get(&console, "/api/breakers/b").await;
    let events = one["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[0]["to"]), (1, &"disabled".into()));
    assert_eq!(
        (&one["mode"], &one["mode_reason"]),
        (&"disabled".into(), &"an example".into())
    );
}

#[tokio::test(start_paused = true)]
async fn more_events_than_can_be_kept_are_counted() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let layer = layer(&registry, "a");
    sleep(ms(1500)).await;
    for _ in 0..1000 {
        layer.breaker().reset("an example");
    }
    sleep(secs(1)).await;
    let list = get(&console, "/api/breakers").await;
    assert_eq!(list["events"].as_array().unwrap().len(), 200);
    assert_eq!(list["events_lost"], 1000 - 256);
    let one = get(&console, "/api/breakers/a").await;
    assert_eq!(one["events"].as_array().unwrap().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn the_agents_checks_are_shown_as_long_as_there_is_an_agent() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let layer = layer(&registry, "a");
    let agent = Arc::new(Agent::builder().every(secs(1)).build().unwrap());
    agent
        .watch(
            layer.breaker(),
            service_fn(|()| async { Err::<(), _>("the disk is full") }),
        )
        .unwrap();
    console.show_agent(&agent);
    sleep(secs(2)).await;
    let one = get(&console, "/api/breakers/a").await;
    assert_eq!(one["checks"][0]["failure"], "the disk is full");
    assert_eq!(one["last_check"]["failure"], "the disk is full");
    drop(agent);
    let one = get(&console, "/api/breakers/a").await;
    assert_eq!(one["checks"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_shown_where_it_is_kept() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let fails = service_fn(|text: String| async move { Err::<(), _>(BoxError::from(text)) });
    let kept = CircuitBreakerLayer::builder()
        .name("kept")
        .classify(ShowErrors(ErrorsAsFailures))
        .registry(&registry)
        .build()
        .unwrap();
    let plain = layer(&registry, "plain");
    for text in ["the first".to_owned(), "ü".repeat(1000)] {
        kept.layer(fails).oneshot(text.clone()).await.unwrap_err();
        plain.layer(fails).oneshot(text).await.unwrap_err();
    }
    sleep(secs(3)).await;
    let one = get(&console, "/api/breakers/kept").await;
    assert_eq!(one["last_error"]["text"], "ü".repeat(100));
    let ago = one["last_error"]["ago"].as_f64().unwrap();
    assert!((3.0..3.1).contains(&ago), "{ago}");
    assert_eq!(get(&console, "/api/breakers/plain").await["last_error"], Value::Null);
    let mut permit = plain.breaker().try_acquire().unwrap();
    permit.note_error(&"by hand");
    permit.record(Outcome::Failure);
    assert_eq!(&*plain.breaker().snapshot().last_error.unwrap().text, "by hand");
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_not_shown() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let layer = layer(&registry, "a");
    sleep(ms(1500)).await;
    drop(layer);
    assert_eq!(
        ask(&console, Method::GET, "/api/breakers/a", "").await.status,
        StatusCode::NOT_FOUND
    );
    sleep(secs(1)).await;
    assert_eq!(get(&console, "/api/breakers").await["breakers"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn looking_changes_nothing() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let layer = layer(&registry, "a");
    trip(&layer);
    sleep(secs(60)).await;
    for _ in 0..10 {
        get(&console, "/api/breakers/a").await;
        get(&console, "/api/breakers").await;
    }
    let snapshot = layer.breaker().snapshot();
    assert_eq!(snapshot.state, tower_breaker::State::ReadyToProbe);
    assert_eq!(snapshot.totals.refused, 0);
}

#[tokio::test]
async fn of_very_many_breakers_those_in_trouble_are_shown_and_looking_takes_its_time() {
    // In real time, since a thread of its own looks.
    let registry = Registry::new();
    let layers: Vec<_> = (0..12_000)
        .map(|number| layer(&registry, &format!("{number:05}")))
        .collect();
    trip(&layers[11_999]);
    layers[11_998].breaker().disable("an example", None);
    let console = builder(&registry).build();
    let list = get(&console, "/api/breakers").await;
    assert_eq!(
        (list["breakers"].as_array().unwrap().len(), &list["left_out"]),
        (10_000, &2000.into())
    );
    let names: Vec<_> = list["breakers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"11999") && names.contains(&"11998") && names.contains(&"00000") && names.is_sorted());
    // One that isn't in the list can be looked at all the same.
    assert_eq!(get(&console, "/api/breakers/11000").await["state"], "closed");
}
