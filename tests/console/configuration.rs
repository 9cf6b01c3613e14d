use http::{Method, StatusCode};
use serde_json::{Value, json};
use tower_breaker::{State, config::SlowAfter, registry::Registry};

use crate::support::*;

async fn configure(console: &tower_breaker::console::Console, asked: &Value) -> Answer {
    ask(console, Method::PUT, "/api/breakers/a/config", asked.to_string()).await
}

async fn asked(console: &tower_breaker::console::Console, config: Value, apply: bool) -> Value {
    let generation = &get(console, "/api/breakers/a").await["generation"];
    json!({ "config": config, "generation": generation, "reason": "an example", "apply": apply })
}

#[tokio::test(start_paused = true)]
async fn what_would_change_is_shown_before_it_is_applied() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layer = layer(&registry, "a");
    let config = json!({ "slow_after": "1s", "recovery": { "stages": [50, 100] } });
    let answer = configure(&console, &asked(&console, config.clone(), false).await).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json);
    assert_eq!(answer.json["applied"], false);
    let changes = answer.json["changes"].as_array().unwrap();
    assert!(
        changes.contains(&json!({ "setting": "slow_after", "before": "300ms", "after": "1s" })),
        "{changes:?}"
    );
    assert!(
        changes.contains(&json!({ "setting": "recovery.stages", "before": [20, 40, 80, 100], "after": [50, 100] })),
        "{changes:?}"
    );
    let slow_after = || layer.breaker().config().settings().slow_after;
    assert_eq!(slow_after(), SlowAfter::After(ms(300)));

    trip(&layer);
    let answer = configure(&console, &asked(&console, config, true).await).await;
    assert_eq!(answer.json["applied"], true);
    assert_eq!(slow_after(), SlowAfter::After(secs(1)));
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn what_it_is_shown_can_be_sent_back_and_changes_nothing() {
    let registry = Registry::new();
    let console = operated(&registry);
    let _layer = layer(&registry, "a");
    let mut config = get(&console, "/api/breakers/a").await["config"].clone();
    config.as_object_mut().unwrap().remove("name");
    let answer = configure(&console, &asked(&console, config, false).await).await;
    assert_eq!(answer.json, json!({ "applied": false, "changes": [] }));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_is_refused() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layer = layer(&registry, "a");
    let before = layer.breaker().config();
    for (config, part) in [
        (
            json!({ "slow_after": "0s" }),
            "slow_after must be a duration above 0 and up to 365 days, but is 0ns",
        ),
        (json!({ "slow_after": 3 }), "slow_after to be a duration"),
        (json!({ "slower": "1s" }), "unknown field `slower`"),
        (json!({ "name": "b" }), "unknown field `name`"),
        (
            json!({ "trip_when": { "slow_call_rate": { "threshold": 0.5 } }, "slow_after": "never" }),
            "slow_after must be a duration or `learned` (the slow-call rate needs one), but is never",
        ),
        (json!(3), "a table of a circuit breaker's settings"),
    ] {
        let answer = configure(&console, &asked(&console, config, true).await).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.json);
        assert!(error(&answer).contains(part), "{}", error(&answer));
    }
    assert_eq!(layer.breaker().config(), before);
    let missing = ask(
        &console,
        Method::PUT,
        "/api/breakers/b/config",
        asked(&console, json!({}), true).await.to_string(),
    );
    assert_eq!(missing.await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_changed_since_it_was_seen_is_left_alone() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layer = layer(&registry, "a");
    let asked = asked(&console, json!({ "slow_after": "1s" }), true).await;
    trip(&layer);
    let answer = configure(&console, &asked).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(error(&answer), "\"a\" has changed since it was shown; nothing was done");
    assert_eq!(
        layer.breaker().config().settings().slow_after,
        SlowAfter::After(ms(300))
    );
}
