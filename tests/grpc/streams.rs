//! Subscribers: long ones, broken ones, and those that never end.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::{pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::{
    StreamExt,
    channel::{mpsc, oneshot},
    stream,
};
use http_body::Frame;
use http_body_util::BodyExt;
use tonic::{
    Code,
    body::Body,
    transport::{self, Server},
};
use tonic_health::{
    pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient},
    server::health_reporter,
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_breaker::{
    classify::Classify,
    protocol::{grpc, http::Latency},
};

use crate::support::*;

fn request() -> http::Request<Body> {
    http::Request::post("/a/stream").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_long_stream_is_never_held_and_its_late_failure_counts() {
    const CHUNK: usize = 64 * 1024;
    const CHUNKS: usize = 1024;
    let sent = Arc::new(AtomicUsize::new(0));
    let sending = sent.clone();
    let address = scripted(move |_| {
        let sending = sending.clone();
        let chunks = stream::repeat(Bytes::from_static(&[0; CHUNK]))
            .take(CHUNKS)
            .map(move |chunk| {
                sending.fetch_add(CHUNK, Ordering::Relaxed);
                Ok(Frame::data(chunk))
            });
        let end = Frame::trailers(headers([("grpc-status", b"15")]));
        ready(streamed(chunks.chain(stream::iter([Ok(end)]))))
    })
    .await;
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let mut service = layer.layer(channel(address));
    let mut body = within(service.ready().await.unwrap().call(request()))
        .await
        .unwrap()
        .into_body();

    let (mut received, mut furthest_ahead) = (0, 0);
    while let Some(frame) = within(body.frame()).await {
        if let Some(data) = frame.unwrap().data_ref() {
            received += data.len();
            furthest_ahead = furthest_ahead.max(sent.load(Ordering::Relaxed) - received);
        }
    }
    assert_eq!(received, CHUNK * CHUNKS);
    assert!(
        furthest_ahead < 4 << 20,
        "{furthest_ahead} bytes were somewhere in between"
    );
    assert_eq!(tally(layer.breaker()), [0, 1, 0, 0]);
}

#[tokio::test]
async fn a_stream_that_its_reader_drops_is_cancelled_here_and_there() {
    let (held, dropped) = oneshot::channel::<()>();
    let held = Arc::new(Mutex::new(Some(held)));
    let address = scripted(move |_| {
        let held = held.lock().unwrap().take().expect("one call");
        let endless = stream::once(async move {
            let _held = held;
            pending().await
        });
        ready(streamed(stream::iter([Ok(message())]).chain(endless)))
    })
    .await;
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let mut client = HealthClient::new(layer.layer(channel(address)));
    let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    within(stream.message()).await.unwrap().expect("a first message");
    assert_eq!(layer.breaker().snapshot().in_flight, 1);
    drop(stream);
    assert_eq!(layer.breaker().snapshot().in_flight, 0);
    assert_eq!(tally(layer.breaker()), [0, 0, 0, 1]);
    within(dropped).await.expect_err("the server drops it, too");
}

#[tokio::test]
async fn on_a_server_a_stream_is_judged_by_its_trailers_though_the_server_polls_no_more() {
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let breaker = layer.breaker().clone();
    let address = scripted(move |request| {
        let service = layer.layer(service_fn(|_| {
            ready(Ok::<_, Infallible>(with_trailers(headers([("grpc-status", b"0")]))))
        }));
        async { service.oneshot(request).await.unwrap().map(Body::new) }
    })
    .await;
    assert_eq!(code_of(channel(address)).await, Code::Ok);
    assert_eq!(tally(&breaker), [1, 0, 0, 0]);
}

#[tokio::test]
async fn a_watch_that_never_ends_is_a_good_probe_after_a_while() {
    let clock = ManualClock::default();
    let (reporter, health) = health_reporter();
    let (incoming, address) = bound();
    tokio::spawn(Server::builder().add_service(health).serve_with_incoming(incoming));
    let layer = builder()
        .clock(clock.clone())
        .respond(grpc::Unavailable)
        .build()
        .unwrap();
    let service = layer.layer(channel(address));
    let mut client = HealthClient::new(service.clone());
    trip(layer.breaker());
    clock.advance(OPEN + ms(1));

    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    within(watch.message()).await.unwrap().expect("its health now");
    clock.advance(ms(500));
    assert_eq!(code_of(service.clone()).await, Code::Unavailable, "the probe goes on");
    clock.advance(ms(600));
    recover(service, layer.breaker(), &clock).await;
    reporter
        .set_service_status("", tonic_health::ServingStatus::NotServing)
        .await;
    let news = within(watch.message()).await.unwrap().expect("its health then");
    assert_eq!(news.status(), ServingStatus::NotServing);
    assert_eq!(layer.breaker().snapshot().in_flight, 1);
}

/// How many calls are slow with a pause before the head, the first frame or the end.
pub(crate) async fn slow_calls<C, R>(classify: C, pause_before: usize) -> u64
where
    C: Classify<http::Request<Body>, http::Response<Body>, transport::Error, Response = http::Response<R>>,
    C: Send + 'static,
    R: http_body::Body<Error: Debug> + Unpin + Send + 'static,
{
    let clock = ManualClock::default();
    let (go, gate) = mpsc::unbounded();
    let gate = Arc::new(Mutex::new(Some(gate)));
    let address = scripted(move |_| {
        let mut gate = gate.lock().unwrap().take().expect("one call");
        async move {
            gate.next().await;
            let end = Frame::trailers(headers([("grpc-status", b"0")]));
            streamed(gate.zip(stream::iter([message(), end])).map(|((), frame)| Ok(frame)))
        }
    })
    .await;
    let layer = builder()
        .clock(clock.clone())
        .slow_after(ms(500))
        .classify(classify)
        .respond(grpc::Unavailable)
        .build()
        .unwrap();
    let breaker = layer.breaker();
    let mut service = layer.layer(channel(address));
    let next = |piece| {
        if piece == pause_before {
            clock.advance(ms(600));
        }
        go.unbounded_send(()).unwrap();
    };

    let head = tokio::spawn(service.ready().await.unwrap().call(request()));
    assert_eq!(breaker.snapshot().in_flight, 1);
    next(0);
    let mut body = within(head).await.unwrap().unwrap().into_body();
    for piece in [1, 2] {
        next(piece);
        within(body.frame()).await.unwrap().unwrap();
    }
    assert_eq!(tally(breaker), [1, 0, 0, 0]);
    breaker.snapshot().totals.primary.slow
}

#[tokio::test]
async fn latency_counts_to_the_head_the_first_frame_or_the_end() {
    for (latency, expected) in [
        (Latency::ToHead, [1, 0, 0]),
        (Latency::ToFirstFrame, [1, 1, 0]),
        (Latency::ToEnd, [1, 1, 1]),
    ] {
        for (pause_before, expected) in expected.into_iter().enumerate() {
            let classify = grpc::ByGrpcStatus::new().latency(latency);
            let slow = slow_calls(classify, pause_before).await;
            assert_eq!(slow, expected, "{latency:?}, pause {pause_before}");
        }
    }
}
