//! `ByStatus::at_end`: the body is part of the answer.

use std::{
    future::ready,
    io,
    sync::{Arc, Mutex},
};

use axum::{body::Body, extract::Request};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, channel::mpsc, stream};
use http::{HeaderMap, Method, Response, header::CONTENT_LENGTH};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::{advance, sleep};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, Outcome, State,
    config::CancelledCalls,
    on_open::Reject,
    policy::ConsecutiveFailures,
    protocol::http::{ByStatus, ByStatusAtEnd, Latency, WatchedBody},
    snapshot::CallTotals,
};

use crate::support::*;

type AtEnd = CircuitBreakerLayer<Reject, ByStatusAtEnd>;

fn at_end() -> AtEnd {
    builder()
        .classify(ByStatus::new().at_end(Latency::ToHead))
        .build()
        .unwrap()
}

/// As [`at_end`], on tokio's clock, which stands still too where it is paused.
fn timed(latency: Latency) -> AtEnd {
    CircuitBreakerLayer::builder()
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(ms(1000))
        .slow_after(ms(100))
        .classify(ByStatus::new().at_end(latency))
        .build()
        .unwrap()
}

/// What a caller gets from behind this layer, where the primary answers so.
async fn asked(layer: &AtEnd, request: Request, response: Response<Body>) -> Response<WatchedBody<Body>> {
    let response = Arc::new(Mutex::new(Some(response)));
    let primary = service_fn(move |_: Request| ready(Ok::<_, BoxError>(response.lock().unwrap().take().unwrap())));
    layer.layer(primary).oneshot(request).await.unwrap()
}

async fn got(layer: &AtEnd, body: Body) -> WatchedBody<Body> {
    asked(layer, get("/"), Response::new(body)).await.into_body()
}

/// A body of these chunks, which doesn't know that it ends with the last one.
fn chunks(texts: impl IntoIterator<Item = &'static str, IntoIter: Send + 'static>) -> Body {
    Body::from_stream(stream::iter(texts.into_iter().map(Ok::<_, io::Error>)))
}

fn totals(layer: &AtEnd) -> CallTotals {
    layer.breaker().snapshot().totals.primary
}

/// Good, bad and cancelled calls, and those that are still in flight.
fn counts(layer: &AtEnd) -> [u64; 4] {
    let totals = totals(layer);
    let in_flight = layer.breaker().snapshot().in_flight;
    [totals.succeeded, totals.failed, totals.cancelled, in_flight]
}

#[tokio::test]
async fn a_call_is_in_flight_until_its_body_ends() {
    let layer = at_end();
    let mut body = got(&layer, chunks(["one", "two"])).await;
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
        assert_eq!(counts(&layer), [0, 0, 0, 1]);
    }
    assert!(body.frame().await.is_none());
    assert_eq!(counts(&layer), [1, 0, 0, 0]);
}

#[tokio::test]
async fn an_error_in_the_body_is_a_failure() {
    let layer = at_end();
    let torn = stream::iter([Ok("half of "), Err(io::Error::other("torn"))]);
    assert!(got(&layer, Body::from_stream(torn)).await.collect().await.is_err());
    assert_eq!(counts(&layer), [0, 1, 0, 0]);
}

#[tokio::test]
async fn a_body_that_is_dropped_early_is_a_cancelled_call() {
    let layer = at_end();
    let mut body = got(&layer, chunks(["one", "two"])).await;
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(counts(&layer), [0, 0, 1, 0]);
    drop(got(&layer, chunks(["never read"])).await);
    assert_eq!(counts(&layer), [0, 0, 2, 0]);
}

#[tokio::test]
async fn a_body_that_is_dropped_early_counts_as_the_configuration_says() {
    let layer = builder()
        .cancelled_calls(CancelledCalls::Failure)
        .classify(ByStatus::new().at_end(Latency::ToHead))
        .build()
        .unwrap();
    for _ in 0..3 {
        assert_eq!(layer.breaker().state(), State::Closed);
        drop(got(&layer, chunks(["never read"])).await);
    }
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test]
async fn a_failed_status_counts_at_once_though_its_body_is_not_read() {
    let layer = at_end();
    for status in [500, 503, 502] {
        let response = Response::builder().status(status).body(chunks(["sorry"])).unwrap();
        drop(asked(&layer, get("/"), response).await);
    }
    assert_eq!(counts(&layer), [0, 3, 0, 0]);
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test]
async fn an_empty_body_ends_with_the_head() {
    let layer = at_end();
    drop(got(&layer, Body::empty()).await);
    assert_eq!(counts(&layer), [1, 0, 0, 0]);
}

#[tokio::test]
async fn a_body_that_knows_its_end_has_it_with_the_last_byte() {
    let layer = at_end();
    let mut body = got(&layer, Body::from("all of it")).await;
    body.frame().await.unwrap().unwrap();
    assert_eq!(counts(&layer), [1, 0, 0, 0]);
}

// hyper's server drops a body of known length once that is sent, and one with trailers once it has
// them.
#[tokio::test]
async fn a_stream_ends_at_its_content_length() {
    let layer = at_end();
    let response = Response::builder()
        .header(CONTENT_LENGTH, "6")
        .body(chunks(["one", "two", ""]));
    let mut body = asked(&layer, get("/"), response.unwrap()).await.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(counts(&layer), [0, 0, 0, 1]);
    body.frame().await.unwrap().unwrap();
    assert_eq!(counts(&layer), [1, 0, 0, 0]);
}

#[tokio::test]
async fn a_content_length_that_makes_no_sense_is_no_length() {
    for length in ["", "six", "-1", "99999999999999999999999", "4"] {
        let layer = at_end();
        let response = Response::builder()
            .header(CONTENT_LENGTH, length)
            .body(chunks(["one", "two"]));
        let body = asked(&layer, get("/"), response.unwrap()).await.into_body();
        body.collect().await.unwrap();
        assert_eq!(counts(&layer), [1, 0, 0, 0], "{length}");
    }
}

#[tokio::test]
async fn trailers_end_a_body() {
    let layer = at_end();
    let frames = [Frame::data(Bytes::from("data")), Frame::trailers(HeaderMap::new())];
    let body = Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, io::Error>))));
    let mut body = got(&layer, body).await;
    body.frame().await.unwrap().unwrap();
    assert_eq!(counts(&layer), [0, 0, 0, 1]);
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    assert_eq!(counts(&layer), [1, 0, 0, 0]);
}

#[tokio::test]
async fn an_answer_without_a_body_is_decided_at_the_head() {
    let layer = at_end();
    let head = request(Method::HEAD, "/", Body::empty());
    drop(asked(&layer, head, Response::new(chunks(["as for GET"]))).await);
    for status in [204, 304] {
        let response = Response::builder().status(status).body(chunks(["never sent"]));
        drop(asked(&layer, get("/"), response.unwrap()).await);
    }
    assert_eq!(counts(&layer), [3, 0, 0, 0]);
}

#[tokio::test]
async fn a_panic_in_the_body_is_a_failure() {
    let layer = at_end();
    let body = Body::from_stream(stream::iter(0..2).map(|n| match n {
        0 => Ok::<_, io::Error>("fine so far"),
        _ => panic!("on purpose, in a body"),
    }));
    let body = got(&layer, body).await;
    assert!(tokio::spawn(body.collect()).await.unwrap_err().is_panic());
    assert_eq!(counts(&layer), [0, 1, 0, 0]);
}

/// A body whose only frame comes after 200 ms, and its end 200 ms later.
fn tardy() -> Body {
    Body::from_stream(stream::iter(0..2).then(|n| async move {
        sleep(ms(200)).await;
        Ok::<_, io::Error>(["frame", ""][n])
    }))
}

#[tokio::test(start_paused = true)]
async fn latency_ends_with_the_head_the_first_frame_or_the_body() {
    for (latency, millis) in [
        (Latency::ToHead, 0),
        (Latency::ToFirstFrame, 200),
        (Latency::ToEnd, 400),
    ] {
        let layer = timed(latency);
        got(&layer, tardy()).await.collect().await.unwrap();
        let totals = totals(&layer);
        assert_eq!(totals.mean_latency(), Some(ms(millis)), "{latency:?}");
        assert_eq!(
            (totals.succeeded, totals.slow),
            (1, u64::from(millis > 100)),
            "{latency:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_late_is_slow_whatever_the_body_does() {
    for latency in [Latency::ToHead, Latency::ToFirstFrame, Latency::ToEnd] {
        let layer = timed(latency);
        let service = layer.layer(service_fn(|_: Request| async {
            sleep(ms(101)).await;
            Ok::<_, BoxError>(Response::new(chunks(["at last"])))
        }));
        service
            .oneshot(get("/"))
            .await
            .unwrap()
            .into_body()
            .collect()
            .await
            .unwrap();
        assert_eq!(totals(&layer).slow, 1, "{latency:?}");
    }
}

/// A body with no end, which its sender may make fail.
fn endless() -> (mpsc::UnboundedSender<Result<&'static str, io::Error>>, Body) {
    let (sender, frames) = mpsc::unbounded();
    (sender, Body::from_stream(frames))
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_end_is_a_good_probe_once_a_probe_has_had_its_time() {
    for latency in [Latency::ToHead, Latency::ToFirstFrame] {
        let layer = timed(latency);
        trip(layer.breaker());
        sleep(ms(1001)).await;
        let (sender, body) = endless();
        sender.unbounded_send(Ok("tick")).unwrap();
        let mut stream = got(&layer, body).await;
        stream.frame().await.unwrap().unwrap();
        advance(ms(900)).await;
        assert!(layer.breaker().try_acquire().is_err(), "the probe has until 1 s");
        advance(ms(200)).await;
        layer
            .breaker()
            .try_acquire()
            .expect("a share of 20 %")
            .record(Outcome::Ignored);
        assert_eq!(layer.breaker().snapshot().share, 20, "{latency:?}");
        // It goes on, and its end says nothing more.
        assert!(stream.frame().now_or_never().is_none());
        sender.unbounded_send(Err(io::Error::other("torn"))).unwrap();
        assert!(stream.frame().await.unwrap().is_err());
        assert_eq!(layer.breaker().snapshot().share, 20);
        assert_eq!(totals(&layer).failed, 3 + 1, "it is counted all the same");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_body_never_comes_is_slow_where_latency_ends_with_it() {
    for latency in [Latency::ToFirstFrame, Latency::ToEnd] {
        let layer = timed(latency);
        trip(layer.breaker());
        sleep(ms(1001)).await;
        let (_sender, body) = endless();
        let _stream = got(&layer, body).await;
        advance(ms(200)).await;
        assert!(layer.breaker().try_acquire().is_err());
        assert_eq!(layer.breaker().state(), State::Open, "{latency:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_within_a_probes_time_is_a_failed_probe() {
    let layer = timed(Latency::ToHead);
    trip(layer.breaker());
    sleep(ms(1001)).await;
    let (sender, body) = endless();
    let stream = got(&layer, body).await;
    advance(ms(500)).await;
    sender.unbounded_send(Err(io::Error::other("torn"))).unwrap();
    assert!(stream.collect().await.is_err());
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn streams_without_end_are_no_matter_while_closed() {
    let layer = timed(Latency::ToHead);
    let mut streams = Vec::new();
    for _ in 0..10 {
        let (sender, body) = endless();
        streams.push((sender, got(&layer, body).await));
    }
    advance(ms(10_000)).await;
    layer.breaker().try_acquire().unwrap().record(Outcome::Success);
    assert_eq!(layer.breaker().state(), State::Closed);
    assert_eq!(counts(&layer), [1, 0, 0, 10]);
}
