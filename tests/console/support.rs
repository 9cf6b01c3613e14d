//! The helpers that the tests of the console share.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::ServiceExt;
use tower_breaker::{
    console::{Console, ConsoleBody, ConsoleBuilder, Denied, Identity},
    registry::Registry,
};

pub(crate) use crate::common::{durations::*, registered::*};

/// One that anybody operates as "alice", unless the request says who it is, or that it may not.
pub(crate) fn operated(registry: &Registry) -> Console {
    let hook = |request: &Parts| match request.headers.get("x-user").map(|user| user.to_str().unwrap()) {
        None => Ok(Identity::new("alice")),
        Some("nobody") => Err(Denied::unauthenticated("who are you?")),
        Some("mallory") => Err(Denied::forbidden("not you")),
        Some(user) => Ok(Identity::new(user)),
    };
    builder(registry).authorize(hook).build()
}

pub(crate) fn builder(registry: &Registry) -> ConsoleBuilder {
    Console::builder(registry)
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

pub(crate) async fn ask(console: &Console, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
    ask_with(console, method, path, body, &[]).await
}

pub(crate) async fn ask_with(
    console: &Console,
    method: Method,
    path: &str,
    body: impl Into<Bytes>,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = send(console, request.body(Full::new(body.into())).unwrap()).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        json: serde_json::from_slice(&body).unwrap_or(Value::Null),
    }
}

pub(crate) async fn send(console: &Console, request: Request<Full<Bytes>>) -> Response<ConsoleBody> {
    console.clone().oneshot(request).await.unwrap()
}

pub(crate) async fn get(console: &Console, path: &str) -> Value {
    let answer = ask(console, Method::GET, path, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.json);
    answer.json
}

/// What an operation on a breaker that was seen just now asks for.
pub(crate) async fn operation(console: &Console, operation: &str, names: &[&str]) -> Value {
    let mut breakers = Vec::new();
    for name in names {
        let one = get(console, &format!("/api/breakers/{name}")).await;
        breakers.push(serde_json::json!({ "name": one["name"], "generation": one["generation"] }));
    }
    serde_json::json!({ "operation": operation, "breakers": breakers, "reason": "an example" })
}

pub(crate) async fn operate(console: &Console, asked: &Value) -> Answer {
    ask(console, Method::POST, "/api/operations", asked.to_string()).await
}

/// The problem that it says.
pub(crate) fn error(answer: &Answer) -> &str {
    answer.json["error"].as_str().unwrap()
}
