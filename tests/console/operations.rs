use http::{Method, StatusCode};
use serde_json::json;
use tower_breaker::{State, registry::Registry, snapshot::Mode};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn each_operation_does_what_it_says_and_who_and_why_stand_in_the_events() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layer = layer(&registry, "a");
    let mut events = layer.breaker().subscribe();
    for (name, mode, line) in [
        (
            "force_open",
            Mode::ForcedOpen,
            "a: automatic → forced open: an example (by alice)",
        ),
        (
            "disable",
            Mode::Disabled,
            "a: forced open → disabled: an example (by alice)",
        ),
        ("shadow", Mode::Shadow, "a: disabled → shadow: an example (by alice)"),
        (
            "automatic",
            Mode::Automatic,
            "a: shadow → automatic: an example (by alice)",
        ),
        ("reset", Mode::Automatic, "a: reset: an example (by alice)"),
    ] {
        let asked = operation(&console, name, &["a"]).await;
        let answer = operate(&console, &asked).await;
        assert_eq!(
            (answer.status, answer.json),
            (StatusCode::OK, json!({ "operated": ["a"] }))
        );
        assert_eq!(layer.breaker().snapshot().mode, mode);
        assert_eq!(events.try_next().unwrap().to_string(), line);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mode_reverts_when_its_time_is_up() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layer = layer(&registry, "a");
    let mut asked = operation(&console, "disable", &["a"]).await;
    asked["ttl"] = 90.5.into();
    operate(&console, &asked).await;
    assert_eq!(layer.breaker().snapshot().mode, Mode::Disabled);
    let reverts_at = get(&console, "/api/breakers/a").await["reverts_at"].as_u64();
    assert!(reverts_at.is_some());
    tokio::time::sleep(secs(91)).await;
    assert_eq!(layer.breaker().snapshot().mode, Mode::Automatic);
}

#[tokio::test(start_paused = true)]
async fn several_are_operated_at_once() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layers = ["a", "b", "c"].map(|name| layer(&registry, name));
    let asked = operation(&console, "force_open", &["a", "c"]).await;
    assert_eq!(operate(&console, &asked).await.json, json!({ "operated": ["a", "c"] }));
    let states = layers.each_ref().map(|layer| layer.breaker().state());
    assert_eq!(states, [State::Open, State::Closed, State::Open]);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_changed_since_it_was_seen_is_left_alone() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layers = ["a", "b"].map(|name| layer(&registry, name));
    let asked = operation(&console, "disable", &["a", "b"]).await;
    trip(&layers[1]);
    let answer = operate(&console, &asked).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(
        error(&answer),
        "\"b\" has changed since it was shown; operated before it: a"
    );
    assert_eq!(layers[1].breaker().snapshot().mode, Mode::Automatic);
    let asked = operation(&console, "disable", &["b"]).await;
    assert_eq!(operate(&console, &asked).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_accepted_is_said_and_changes_nothing() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layer = layer(&registry, "a");
    let before = layer.breaker().snapshot();
    let good = operation(&console, "disable", &["a"]).await;
    let with = |field: &str, value: serde_json::Value| {
        let mut asked = good.clone();
        asked[field] = value;
        asked
    };
    let ttl = "ttl must be a number of seconds above 0 and up to 365 days, or absent, but is";
    for (asked, status, reason) in [
        (
            with("operation", json!("close")),
            422,
            "operation must be force_open, disable, shadow, automatic or reset, but is \"close\"".to_owned(),
        ),
        (with("ttl", json!(-1)), 422, format!("{ttl} -1")),
        (with("ttl", json!(0)), 422, format!("{ttl} 0")),
        (with("ttl", json!(1e300)), 422, format!("{ttl} {}", 1e300)),
        (
            with("reason", json!(" ")),
            422,
            "reason must have 1 to 200 characters, but has 0".to_owned(),
        ),
        (
            with("reason", json!("x".repeat(201))),
            422,
            "reason must have 1 to 200 characters, but has 201".to_owned(),
        ),
        (
            with("breakers", json!([])),
            422,
            "breakers must name at least one".to_owned(),
        ),
        (
            with(
                "breakers",
                json!([{ "name": "a", "generation": 1 }, { "name": "b\n", "generation": 1 }]),
            ),
            404,
            "there is no breaker \"b\\n\"".to_owned(),
        ),
    ] {
        let answer = operate(&console, &asked).await;
        assert_eq!((answer.status.as_u16(), error(&answer)), (status, reason.as_str()));
    }
    for (asked, status, part) in [
        (with("force", json!(true)), 422, "unknown field `force`"),
        (
            with("ttl", json!("endless")),
            422,
            "invalid type: string \"endless\", expected f64",
        ),
        (json!([]), 422, "invalid length 0"),
        (json!({}), 422, "missing field `operation`"),
    ] {
        let answer = operate(&console, &asked).await;
        assert_eq!(answer.status.as_u16(), status);
        assert!(error(&answer).contains(part), "{}", error(&answer));
    }
    for text in ["", "{", "nonsense", "\u{0}"] {
        let answer = ask(&console, Method::POST, "/api/operations", text).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{text:?}");
    }
    let long = format!("{{\"reason\": \"{}\"}}", "x".repeat(70_000));
    let answer = ask(&console, Method::POST, "/api/operations", long).await;
    assert_eq!(
        (answer.status, error(&answer)),
        (StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 65536 bytes")
    );
    assert_eq!(layer.breaker().snapshot(), before);
    assert_eq!(registry.breakers().len(), 1, "nothing was created");
}
