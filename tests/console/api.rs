//! Every answer is as the description says.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::service_fn;
use tower_breaker::{Outcome, agent::Agent, console::Console, registry::Registry};

use crate::support::*;

/// Fails where an answer isn't what is described for its path, method and status.
fn check(description: &Value, path: &str, method: &str, answer: &Answer) {
    let responses = &description["paths"][path][method]["responses"];
    let response = &responses[answer.status.as_str()];
    assert!(
        response.is_object(),
        "{method} {path}: {} is not described: {}",
        answer.status,
        answer.json
    );
    let mut schema = response["content"]["application/json"]["schema"].clone();
    schema["components"] = description["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mistakes: Vec<String> = validator
        .iter_errors(&answer.json)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(mistakes.is_empty(), "{method} {path}: {mistakes:?} in {}", answer.json);
}

async fn described(console: &Console) -> Value {
    get(console, "/api/openapi.json").await
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_is_as_described_in_every_state() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layer = layer(&registry, "a");
    let agent = Arc::new(
        Agent::builder()
            .every(secs(3))
            .trip_after(None)
            .gate_recovery(false)
            .build()
            .unwrap(),
    );
    agent
        .watch(layer.breaker(), service_fn(|()| async { Err::<(), _>("no") }))
        .unwrap();
    console.show_agent(&agent);
    let description = described(&console).await;
    for step in 0..6 {
        match step {
            1 => call(&layer, Outcome::Success),
            2 => trip(&layer),
            3 => {
                sleep(secs(11)).await;
                if let Ok(permit) = layer.breaker().try_acquire() {
                    permit.record(Outcome::Success);
                }
            }
            4 => layer.breaker().force_open("an example", secs(60)),
            5 => layer.breaker().reset("an example"),
            _ => {}
        }
        sleep(secs(6)).await;
        let list = ask(&console, Method::GET, "/api/breakers", "").await;
        check(&description, "/api/breakers", "get", &list);
        let one = ask(&console, Method::GET, "/api/breakers/a", "").await;
        check(&description, "/api/breakers/{name}", "get", &one);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_or_refused_is_as_described() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layer = layer(&registry, "a");
    let description = described(&console).await;
    let asked = operation(&console, "disable", &["a"]).await;
    let mut negative = asked.clone();
    negative["ttl"] = json!(-1);
    let mut unknown = asked.clone();
    unknown["breakers"][0]["name"] = json!("b");
    for (body, user, status) in [
        (negative.to_string(), "bob", 422),
        (unknown.to_string(), "bob", 404),
        ("{".to_owned(), "bob", 400),
        ("x".repeat(70_000), "bob", 413),
        (asked.to_string(), "nobody", 401),
        (asked.to_string(), "mallory", 403),
        (asked.to_string(), "bob", 200),
        (asked.to_string(), "bob", 409),
    ] {
        let answer = ask_with(&console, Method::POST, "/api/operations", body, &[("x-user", user)]).await;
        assert_eq!(answer.status.as_u16(), status);
        check(&description, "/api/operations", "post", &answer);
    }
    let generation = layer.breaker().snapshot().generation;
    for (config, generation, status) in [
        (json!({ "slow_after": "2s" }), generation, StatusCode::OK),
        (
            json!({ "slow_after": "0s" }),
            generation,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (json!({ "slow_after": "3s" }), generation + 1, StatusCode::CONFLICT),
    ] {
        let asked = json!({ "config": config, "generation": generation, "reason": "an example", "apply": true });
        let answer = ask(&console, Method::PUT, "/api/breakers/a/config", asked.to_string()).await;
        assert_eq!(answer.status, status);
        check(&description, "/api/breakers/{name}/config", "put", &answer);
    }
    for (method, path, resource) in [
        ("get", "/api/breakers/{name}", "/api/breakers/b"),
        ("get", "/api/breakers", "/api/breakers"),
    ] {
        let method_sent = if resource.ends_with('b') {
            Method::GET
        } else {
            Method::PATCH
        };
        let answer = ask(&console, method_sent, resource, "").await;
        check(&description, path, method, &answer);
    }
}

#[tokio::test]
async fn requests_that_are_accepted_are_as_described() {
    let registry = Registry::new();
    let console = operated(&registry);
    let _layer = layer(&registry, "a");
    let description = described(&console).await;
    let mut schema = description["components"]["schemas"]["Operation"].clone();
    schema["components"] = description["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut asked = operation(&console, "disable", &["a"]).await;
    assert!(validator.is_valid(&asked));
    asked["ttl"] = json!(60);
    assert!(validator.is_valid(&asked));
    asked["ttl"] = json!(0);
    assert!(!validator.is_valid(&asked));
}
