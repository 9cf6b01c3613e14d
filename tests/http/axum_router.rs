//! The layer in an axum router, over sockets.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use bytes::Bytes;
use futures::stream;
use http::{
    HeaderMap, Method, StatusCode,
    header::{CONTENT_LENGTH, RETRY_AFTER},
};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::ServiceExt;
use tower_breaker::{
    CircuitBreakerLayer,
    protocol::http::{ByStatus, Latency, Unavailable},
};

use crate::support::{self, *};

async fn order(Path(id): Path<u32>) -> String {
    format!("order {id}")
}

async fn cached_order(Path(id): Path<u32>) -> String {
    format!("order {id}, as it was")
}

#[tokio::test]
async fn what_the_readme_says_of_axum() {
    let build = || -> Result<_, tower_breaker::ConfigError> {
        let layer = CircuitBreakerLayer::builder()
            .name("orders")
            .slow_after(Duration::from_millis(300))
            .classify(ByStatus::new()) // 5xx is a failure
            .backup(get(cached_order)) // a handler; without one: .respond(Unavailable::new())
            .build()?;
        let breaker = layer.breaker().clone();
        let app = Router::new().route("/orders/{id}", get(order)).route_layer(layer);
        Ok((app, breaker))
    };
    let (app, breaker) = build().unwrap();
    let app = client_of(Protocol::Http1, serve(app).await);
    assert_eq!(say(&app, "/orders/7").await, "200 order 7");
    breaker.force_open("a test", None);
    assert_eq!(say(&app, "/orders/7").await, "200 order 7, as it was");
    assert_eq!(breaker.snapshot().totals.backup.succeeded, 1);
}

/// Answers 500, and counts its calls.
async fn sick(State(calls): State<Arc<AtomicU32>>) -> (StatusCode, &'static str) {
    calls.fetch_add(1, Ordering::SeqCst);
    (StatusCode::INTERNAL_SERVER_ERROR, "primary")
}

async fn spare() -> &'static str {
    "backup"
}

#[tokio::test]
async fn one_layer_is_one_breaker_on_all_routes_and_connections() {
    for protocol in PROTOCOLS {
        let calls = Arc::<AtomicU32>::default();
        let layer = builder().classify(ByStatus::new()).backup(get(spare)).build().unwrap();
        let app = Router::new()
            .route("/a", get(sick))
            .route("/b", get(sick))
            .nest("/nested", Router::new().route("/c", get(sick)))
            .route_layer(layer.clone())
            .with_state(calls.clone());
        let server = serve(app).await;
        for path in ["/a", "/b", "/nested/c"] {
            // A client of its own is a connection of its own.
            assert_eq!(say(&client_of(protocol, server), path).await, "500 primary");
        }
        let client = client_of(protocol, server);
        for path in ["/a", "/b", "/nested/c", "/a"] {
            assert_eq!(say(&client, path).await, "200 backup");
            assert_eq!(say(&client_of(protocol, server), path).await, "200 backup");
        }
        assert_eq!(calls.load(Ordering::SeqCst), 3);
        assert_eq!(layer.breaker().snapshot().totals.backup.calls, 8);
    }
}

#[tokio::test]
async fn a_layer_on_the_router_shares_its_breaker_too() {
    let layer = builder().classify(ByStatus::new()).backup(get(spare)).build().unwrap();
    let app = Router::new()
        .route("/a", get(sick))
        .route("/b", get(sick))
        .layer(layer)
        .with_state(Arc::default());
    let server = serve(app).await;
    let mut answers = Vec::new();
    for path in ["/a", "/b", "/a", "/b"] {
        answers.push(say(&client_of(Protocol::Http1, server), path).await);
    }
    assert_eq!(answers, ["500 primary", "500 primary", "500 primary", "200 backup"]);
}

#[tokio::test]
async fn a_backup_handler_has_its_state_and_its_path() {
    async fn cached(State(motto): State<&'static str>, Path(id): Path<u32>) -> String {
        format!("{motto} {id}")
    }
    let layer = builder().backup(get(cached).with_state("cached")).build().unwrap();
    trip(layer.breaker());
    let app = Router::new().route("/orders/{id}", get(order)).route_layer(layer);
    let app = client_of(Protocol::Http1, serve(app).await);
    assert_eq!(say(&app, "/orders/7").await, "200 cached 7");
}

/// What clients see who ask for what there is, for what there isn't, and in a way that isn't
/// allowed.
async fn seen(app: &Router) -> [String; 3] {
    let app = client_of(Protocol::Http1, serve(app.clone()).await);
    let (status, body) = ask(&app, request(Method::POST, "/orders", Body::empty()))
        .await
        .unwrap();
    [
        say(&app, "/orders").await,
        say(&app, "/nope").await,
        format!("{status} {body}"),
    ]
}

/// How many calls were counted of the three, and what is seen of them while closed and while open.
async fn counted_and_seen<B, C>(app: Router, layer: &CircuitBreakerLayer<B, C>) -> (u64, [String; 3], [String; 3]) {
    let closed = seen(&app).await;
    let counted = layer.breaker().snapshot().totals.primary.succeeded;
    layer.breaker().force_open("a test", None);
    (counted, closed, seen(&app).await)
}

#[tokio::test]
async fn layer_wraps_404_and_405_and_route_layer_of_a_router_405_and_of_a_route_neither() {
    let layer = || builder().backup(any(spare)).build().unwrap();
    let closed = ["200 primary", "404 ", "405 "].map(String::from);
    let primary = || get(|| async { "primary" });

    let whole = layer();
    let app = Router::new().route("/orders", primary()).layer(whole.clone());
    let open = ["200 backup", "200 backup", "200 backup"].map(String::from);
    assert_eq!(counted_and_seen(app, &whole).await, (3, closed.clone(), open));

    let routes = layer();
    let app = Router::new().route("/orders", primary()).route_layer(routes.clone());
    let open = ["200 backup", "404 ", "200 backup"].map(String::from);
    assert_eq!(counted_and_seen(app, &routes).await, (2, closed.clone(), open));

    let methods = layer();
    let app = Router::new().route("/orders", primary().route_layer(methods.clone()));
    let open = ["200 backup", "404 ", "405 "].map(String::from);
    assert_eq!(counted_and_seen(app, &methods).await, (1, closed, open));
}

#[tokio::test]
async fn a_backup_for_get_alone_refuses_other_methods_itself() {
    let layer = builder().backup(get(spare)).build().unwrap();
    trip(layer.breaker());
    let app = Router::new().route("/orders", get(spare)).route_layer(layer);
    assert_eq!(seen(&app).await, ["200 backup", "404 ", "405 "]);
}

#[tokio::test]
async fn refused_calls_get_a_503_that_says_when_to_come_back() {
    let clock = ManualClock::default();
    let layer = builder_on(&clock)
        .classify(ByStatus::new())
        .respond(Unavailable::new())
        .build()
        .unwrap();
    let breaker = layer.breaker().clone();
    let app = Router::new().route("/", get(|| async { "primary" })).route_layer(layer);
    let app = client_of(Protocol::Http1, serve(app).await);
    trip(&breaker);
    let response = app.clone().oneshot(support::get("/")).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()[RETRY_AFTER], "1");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "The service is unavailable. Please try again later.\n");
    assert_eq!(breaker.snapshot().totals.backup.calls, 0, "no backup was called");
    clock.advance(ms(1000));
    assert_eq!(say(&app, "/").await, "200 primary");
}

#[tokio::test]
async fn a_503_for_an_unknown_time_has_no_retry_after() {
    let layer = builder().respond(Unavailable::new()).build().unwrap();
    layer.breaker().force_open("until further notice", None);
    let app = Router::new().route("/", get(spare)).layer(layer);
    let app = client_of(Protocol::Http1, serve(app).await);
    let response = app.oneshot(support::get("/")).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers().get(RETRY_AFTER)),
        (503, None)
    );
}

#[tokio::test]
async fn a_handler_that_panics_has_failed() {
    async fn panics() {
        panic!("on purpose, in a handler");
    }
    let layer = builder().backup(get(spare)).build().unwrap();
    let app = Router::new().route("/", get(panics)).route_layer(layer.clone());
    let app = client_of(Protocol::Http1, serve(app).await);
    for _ in 0..3 {
        ask(&app, support::get("/")).await.unwrap_err();
    }
    assert_eq!(layer.breaker().snapshot().totals.primary.failed, 3);
    assert_eq!(say(&app, "/").await, "200 backup");
}

/// Bodies of all the kinds that a server ends in its own way.
async fn bodies(Path(kind): Path<String>) -> Response {
    let chunks = || Body::from_stream(stream::iter(["one", "two"].map(Ok::<_, Infallible>)));
    match kind.as_str() {
        "empty" => ().into_response(),
        "whole" => "onetwo".into_response(),
        "chunked" => chunks().into_response(),
        "announced" => ([(CONTENT_LENGTH, "6")], chunks()).into_response(),
        "unmodified" => (StatusCode::NOT_MODIFIED, chunks()).into_response(),
        "trailed" => {
            let frames = [Frame::data(Bytes::from("onetwo")), Frame::trailers(HeaderMap::new())];
            Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)))).into_response()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_body_that_was_sent_whole_is_a_good_call_however_the_server_ends_it() {
    for protocol in PROTOCOLS {
        let layer = builder()
            .classify(ByStatus::new().at_end(Latency::ToHead))
            .respond(Unavailable::new());
        let layer = layer.build().unwrap();
        let app = Router::new().route("/{kind}", get(bodies)).route_layer(layer.clone());
        let app = client_of(protocol, serve(app).await);
        let mut calls = 0;
        for kind in ["empty", "whole", "chunked", "announced", "unmodified", "trailed"] {
            for method in [Method::GET, Method::HEAD] {
                ask(&app, request(method.clone(), &format!("/{kind}"), Body::empty()))
                    .await
                    .unwrap();
                calls += 1;
                until(|| layer.breaker().snapshot().in_flight == 0).await;
                let totals = layer.breaker().snapshot().totals.primary;
                assert_eq!(
                    (totals.succeeded, totals.calls),
                    (calls, calls),
                    "{protocol:?} {method} {kind}"
                );
            }
        }
    }
}
