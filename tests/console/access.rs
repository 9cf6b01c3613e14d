use http::{Method, StatusCode};
use tower_breaker::{registry::Registry, snapshot::Mode};

use crate::support::*;

const OPERATIONS: &str = "/api/operations";

#[tokio::test(start_paused = true)]
async fn without_a_hook_it_only_shows() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let layer = layer(&registry, "a");
    let asked = operation(&console, "disable", &["a"]).await;
    let answer = operate(&console, &asked).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(
        error(&answer),
        "this console is read-only: it has no authorization hook"
    );
    let answer = ask(&console, Method::PUT, "/api/breakers/a/config", "{}").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(layer.breaker().snapshot().mode, Mode::Automatic);
}

#[tokio::test(start_paused = true)]
async fn the_hook_says_who_may() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layer = layer(&registry, "a");
    let asked = operation(&console, "disable", &["a"]).await.to_string();
    let by = async |user: &str| ask_with(&console, Method::POST, OPERATIONS, asked.clone(), &[("x-user", user)]).await;
    let answer = by("nobody").await;
    assert_eq!(
        (answer.status, error(&answer)),
        (StatusCode::UNAUTHORIZED, "who are you?")
    );
    assert_eq!(answer.headers["www-authenticate"], "Basic realm=\"breakers\"");
    let answer = by("mallory").await;
    assert_eq!((answer.status, error(&answer)), (StatusCode::FORBIDDEN, "not you"));
    assert_eq!(layer.breaker().snapshot().mode, Mode::Automatic);
    assert_eq!(by("bob").await.status, StatusCode::OK);
    let reason = layer.breaker().snapshot().mode_reason.unwrap();
    assert_eq!(&*reason, "an example (by bob)");
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_before_the_body_is_read() {
    let registry = Registry::new();
    let console = operated(&registry);
    let long = "x".repeat(1 << 20);
    let answer = ask_with(&console, Method::POST, OPERATIONS, long, &[("x-user", "nobody")]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn another_sites_page_changes_nothing() {
    let registry = Registry::new();
    let console = operated(&registry);
    let layer = layer(&registry, "a");
    let asked = operation(&console, "disable", &["a"]).await.to_string();
    let with = async |headers: &[(&str, &str)]| {
        ask_with(&console, Method::POST, OPERATIONS, asked.clone(), headers)
            .await
            .status
    };
    for headers in [
        &[("host", "ops.example"), ("origin", "https://evil.example")][..],
        &[("host", "ops.example"), ("origin", "null")],
        &[("host", "ops.example"), ("origin", "https://ops.example.evil.example")],
        &[("host", "ops.example"), ("origin", "https://ops.example:8443")],
        &[("host", "ops.example"), ("sec-fetch-site", "cross-site")],
        &[("host", "ops.example"), ("sec-fetch-site", "same-site")],
        &[("origin", "https://ops.example")],
    ] {
        assert_eq!(with(headers).await, StatusCode::FORBIDDEN, "{headers:?}");
    }
    // A form of another site can send these types.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
        "application/jsonx",
    ] {
        assert_eq!(
            with(&[("content-type", kind)]).await,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{kind}"
        );
    }
    assert_eq!(layer.breaker().snapshot().mode, Mode::Automatic);
    // In HTTP/2, the host stands in the URI.
    let uri = "https://ops.example/api/operations";
    for (origin, status) in [
        ("https://evil.example", StatusCode::FORBIDDEN),
        ("https://ops.example", StatusCode::OK),
    ] {
        let asked = operation(&console, "shadow", &["a"]).await.to_string();
        let answer = ask_with(&console, Method::POST, uri, asked, &[("origin", origin)]).await;
        assert_eq!(answer.status, status);
    }
    layer.breaker().automatic("an example");
    let asked = operation(&console, "disable", &["a"]).await.to_string();
    let with = async |headers: &[(&str, &str)]| {
        ask_with(&console, Method::POST, OPERATIONS, asked.clone(), headers)
            .await
            .status
    };
    let own = [
        ("host", "ops.example"),
        ("origin", "https://ops.example"),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/json; charset=utf-8"),
    ];
    assert_eq!(with(&own).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_hook_sees_the_request() {
    let registry = Registry::new();
    let _layer = layer(&registry, "a");
    let console = builder(&registry)
        .authorize(|request| {
            assert_eq!(
                (request.method.as_str(), request.uri.path()),
                ("POST", "/ops/api/operations")
            );
            Ok(tower_breaker::console::Identity::new("x".repeat(1000)))
        })
        .build();
    let asked = operation(&console, "disable", &["a"]).await;
    let answer = ask(&console, Method::POST, "/ops/api/operations", asked.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let reason = registry.get("a").unwrap().snapshot().mode_reason.unwrap();
    assert_eq!(reason.len(), "an example (by )".len() + 100);
}
