//! `ByStatus`, as it judges the head of a response.

use std::{convert::Infallible, io};

use axum::{body::Body, extract::Request, http::StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tower_breaker::{Outcome, State, protocol::http::ByStatus, snapshot::CallTotals};

use crate::support::*;

/// What one response of this status counts as.
async fn judged<F>(classify: ByStatus<F>, status: u16) -> &'static str
where
    F: Fn(StatusCode) -> Outcome + Clone,
{
    let layer = builder().classify(classify).respond(answer).build().unwrap();
    let service = layer.layer(service_fn(|_: Request| async move {
        Ok::<_, Infallible>(
            http::Response::builder()
                .status(status)
                .body(Body::from("answer"))
                .unwrap(),
        )
    }));
    let response = service.oneshot(get("/")).await.unwrap();
    assert_eq!(response.status(), status);
    counted(layer.breaker().snapshot().totals.primary)
}

fn answer(_: Request, _: tower_breaker::CircuitOpen) -> http::Response<Body> {
    unreachable!("the breaker is closed")
}

fn counted(totals: CallTotals) -> &'static str {
    match (totals.succeeded, totals.failed, totals.ignored) {
        (1, 0, 0) => "good",
        (0, 1, 0) => "bad",
        (0, 0, 1) => "ignored",
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_error_is_a_failure_and_nothing_else_is() {
    for status in [200, 204, 301, 304, 400, 404, 408, 429, 499, 600, 999] {
        assert_eq!(judged(ByStatus::new(), status).await, "good", "{status}");
    }
    for status in [500, 501, 503, 599] {
        assert_eq!(judged(ByStatus::default(), status).await, "bad", "{status}");
    }
}

#[tokio::test]
async fn overload_is_a_failure_where_one_says_so() {
    for status in [408, 429, 500, 503] {
        assert_eq!(judged(ByStatus::overload_as_failure(), status).await, "bad", "{status}");
    }
    for status in [200, 400, 404] {
        assert_eq!(
            judged(ByStatus::overload_as_failure(), status).await,
            "good",
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_mapping_of_ones_own_has_the_last_word() {
    let teapots_are_fine = ByStatus::with_fn(|status| match status.as_u16() {
        418 | 501 => Outcome::Success,
        400..=499 => Outcome::Ignored,
        500.. => Outcome::Failure,
        _ => Outcome::Success,
    });
    let judged = async |status| judged(teapots_are_fine.clone(), status).await;
    assert_eq!(
        [
            judged(200).await,
            judged(404).await,
            judged(418).await,
            judged(501).await,
            judged(500).await
        ],
        ["good", "ignored", "good", "good", "bad"]
    );
}

#[tokio::test]
async fn an_error_is_a_failure_whatever_the_mapping() {
    let layer = builder()
        .classify(ByStatus::with_fn(|_| Outcome::Success))
        .respond(answer)
        .build()
        .unwrap();
    let service = layer.layer(service_fn(|_: Request| async {
        Err::<http::Response<Body>, _>(io::Error::other("no answer"))
    }));
    for _ in 0..3 {
        assert_eq!(layer.breaker().state(), State::Closed);
        service.clone().oneshot(get("/")).await.unwrap_err();
    }
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test]
async fn a_body_that_fails_is_no_matter_at_the_head() {
    let layer = builder().classify(ByStatus::new()).respond(answer).build().unwrap();
    let service = layer.layer(service_fn(|_: Request| async {
        let torn = futures::stream::iter([Ok("half of "), Err(io::Error::other("torn"))]);
        Ok::<_, Infallible>(http::Response::new(Body::from_stream(torn)))
    }));
    ask(&service, get("/")).await.unwrap_err();
    assert_eq!(layer.breaker().snapshot().totals.primary.succeeded, 1);
}
