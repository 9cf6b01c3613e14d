//! tower-http's classifiers, and what they make of gRPC.

use std::{
    future::ready,
    sync::{Arc, Mutex},
};

use futures::{StreamExt, channel::oneshot, stream};
use http::HeaderMap;
use tonic::{Code, body::Body};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::Layer;
use tower_breaker::{
    CircuitBreakerLayer, Outcome, State,
    on_open::Respond,
    protocol::{grpc, http::Latency, tower_http::ByTowerHttp},
};
use tower_http::classify::{GrpcCode, GrpcErrorsAsFailures, ServerErrorsAsFailures, SharedClassifier};

use crate::{streams::slow_calls, support::*};

type Layered<C> = CircuitBreakerLayer<Respond<grpc::Unavailable>, ByTowerHttp<SharedClassifier<C>>>;

fn by_grpc() -> Layered<GrpcErrorsAsFailures> {
    let classify = ByTowerHttp::new(GrpcErrorsAsFailures::make_classifier());
    builder().classify(classify).respond(grpc::Unavailable).build().unwrap()
}

fn by_http() -> Layered<ServerErrorsAsFailures> {
    let classify = ByTowerHttp::new(ServerErrorsAsFailures::make_classifier());
    builder().classify(classify).respond(grpc::Unavailable).build().unwrap()
}

fn status(code: &[u8]) -> HeaderMap {
    headers([("grpc-status", code)])
}

async fn by_grpc_judged(response: http::Response<Body>) -> Option<Outcome> {
    judged(by_grpc(), response).await.0
}

const SUCCESS: Option<Outcome> = Some(Outcome::Success);
const FAILURE: Option<Outcome> = Some(Outcome::Failure);

#[tokio::test]
async fn http_is_judged_by_its_status() {
    for (status, expected) in [(500, FAILURE), (503, FAILURE), (404, SUCCESS), (200, SUCCESS)] {
        let response = head_only(status, HeaderMap::new());
        assert_eq!(judged(by_http(), response).await.0, expected, "{status}");
    }
    // An HTTP server's error is in the head; what follows is not looked at.
    let response = with_trailers(status(b"14"));
    assert_eq!(judged(by_http(), response).await.0, SUCCESS);
}

#[tokio::test]
async fn grpc_is_judged_by_headers_and_by_trailers() {
    assert_eq!(by_grpc_judged(with_trailers(status(b"0"))).await, SUCCESS);
    assert_eq!(by_grpc_judged(with_trailers(status(b"14"))).await, FAILURE);
    assert_eq!(by_grpc_judged(head_only(200, status(b"14"))).await, FAILURE);
}

#[tokio::test]
async fn grpc_failures_that_it_misses() {
    assert_eq!(by_grpc_judged(head_only(503, HeaderMap::new())).await, SUCCESS);
    assert_eq!(by_grpc_judged(streamed(stream::iter([Ok(message())]))).await, SUCCESS);
    for garbage in [&b"garbage"[..], b"", b"\xff"] {
        assert_eq!(by_grpc_judged(head_only(200, status(garbage))).await, SUCCESS);
        assert_eq!(by_grpc_judged(with_trailers(status(garbage))).await, SUCCESS);
    }
}

#[tokio::test]
async fn callers_mistakes_that_it_takes_for_failures_unless_told() {
    for code in [&b"1"[..], b"3", b"5", b"16"] {
        assert_eq!(by_grpc_judged(with_trailers(status(code))).await, FAILURE);
    }
    let classifier = GrpcErrorsAsFailures::new().with_success(GrpcCode::NotFound);
    let layer = builder()
        .classify(ByTowerHttp::new(SharedClassifier::new(classifier)))
        .respond(grpc::Unavailable)
        .build()
        .unwrap();
    assert_eq!(
        judged(layer, with_trailers(status(b"5"))).await,
        (SUCCESS, Code::NotFound)
    );
}

#[tokio::test]
async fn streams_that_fail_in_their_trailers_trip_it_and_dropped_ones_do_not() {
    let address = scripted(|_| async { with_trailers(status(b"13")) }).await;
    let layer = by_grpc();
    let mut client = HealthClient::new(layer.layer(channel(address)));
    for _ in 0..3 {
        let dropped = client.watch(HealthCheckRequest::default()).await.unwrap();
        drop(dropped);
    }
    assert_eq!(tally(layer.breaker()), [0, 0, 0, 3]);
    for _ in 0..3 {
        let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        while let Ok(Some(_)) = within(stream.message()).await {}
    }
    assert_eq!(tally(layer.breaker()), [0, 3, 0, 3]);
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test]
async fn a_stream_that_breaks_is_a_failure() {
    let (break_off, broken_off) = oneshot::channel::<()>();
    let broken_off = Arc::new(Mutex::new(Some(broken_off)));
    let address = scripted(move |_| {
        let broken_off = broken_off.lock().unwrap().take().expect("one call");
        let end = stream::once(broken_off).map(|_| Err("on purpose".into()));
        ready(streamed(stream::iter([Ok(message())]).chain(end)))
    })
    .await;
    let layer = by_grpc();
    let mut client = HealthClient::new(layer.layer(channel(address)));
    let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert!(within(stream.message()).await.unwrap().is_some());
    break_off.send(()).unwrap();
    assert!(within(stream.message()).await.is_err());
    assert_eq!(tally(layer.breaker()), [0, 1, 0, 0]);
}

#[tokio::test]
async fn latency_counts_to_the_head_unless_told_otherwise() {
    let classify = || ByTowerHttp::new(GrpcErrorsAsFailures::make_classifier());
    assert_eq!(slow_calls(classify(), 1).await, 0);
    assert_eq!(slow_calls(classify().latency(Latency::ToFirstFrame), 1).await, 1);
    assert_eq!(slow_calls(classify().latency(Latency::ToEnd), 2).await, 1);
}
