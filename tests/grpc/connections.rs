//! HTTP/2 streams that are reset, and connections that go away.

use std::{convert::Infallible, future::ready, io, net::SocketAddr, ops::ControlFlow, pin::pin};

use futures::future::join_all;
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tonic::Code;
use tower::Layer;
use tower_breaker::{CircuitBreakerLayer, protocol::grpc};

use crate::{
    common::http2::{DATA, END_HEADERS, END_STREAM, HEADERS, answer_requests, frame, go_away, head, reset},
    support::*,
};

// RFC 9113, 7.
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

fn data(stream: u32) -> Vec<u8> {
    frame(DATA, 0, stream, &message().into_data().unwrap())
}

/// `grpc-status: 0`, neither indexed nor compressed.
fn trailers(stream: u32) -> Vec<u8> {
    let field = [&[0, 11], &b"grpc-status"[..], &[1], b"0"].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &field)
}

/// What is sent at a request on this stream.
type Answer = fn(u32) -> Vec<Vec<u8>>;

/// Sends bytes at each request, whatever HTTP/2 makes of them. An empty frame hangs up.
async fn blunt(answer: Answer) -> SocketAddr {
    serve_connections(move |stream| answer_each(stream, answer)).await
}

async fn answer_each(mut stream: TcpStream, answer: Answer) -> io::Result<()> {
    answer_requests(&mut stream, |id| {
        let frames = answer(id);
        match frames.iter().position(Vec::is_empty) {
            Some(end) => ControlFlow::Break(frames[..end].concat()),
            None => ControlFlow::Continue(frames.concat()),
        }
    })
    .await
}

/// The verdict on a call that is answered with these bytes.
async fn verdict(answer: Answer) -> [u64; 4] {
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let _ = check(layer.layer(channel(blunt(answer).await))).await;
    tally(layer.breaker())
}

const SUCCEEDED: [u64; 4] = [1, 0, 0, 0];
const FAILED: [u64; 4] = [0, 1, 0, 0];

#[tokio::test]
async fn a_reset_stream_is_a_failure_unless_all_was_said() {
    for (expected, answer) in [
        (FAILED, (|id| vec![reset(id, REFUSED_STREAM)]) as Answer),
        (FAILED, |id| vec![reset(id, CANCEL)]),
        (FAILED, |id| vec![head(id), reset(id, INTERNAL_ERROR)]),
        (FAILED, |id| vec![head(id), data(id), reset(id, NO_ERROR)]),
        (SUCCEEDED, |id| vec![head(id), data(id), trailers(id)]),
        (SUCCEEDED, |id| {
            vec![head(id), data(id), trailers(id), reset(id, NO_ERROR)]
        }),
    ] {
        assert_eq!(verdict(answer).await, expected, "{:?}", answer(1));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_failure_of_the_call_it_carried() {
    for answer in [
        (|_| vec![vec![]]) as Answer,
        |id| vec![head(id), data(id), vec![]],
        |_| vec![go_away(0, NO_ERROR), vec![]],
        |id| vec![head(id), go_away(id, ENHANCE_YOUR_CALM), vec![]],
    ] {
        assert_eq!(verdict(answer).await, FAILED, "{:?}", answer(1));
    }
}

#[tokio::test]
async fn a_call_that_a_leaving_server_still_answers_is_a_success_and_so_is_the_next() {
    let address = blunt(|id| vec![head(id), go_away(id, NO_ERROR), data(id), trailers(id)]).await;
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let service = layer.layer(channel(address));
    for _ in 0..3 {
        assert_eq!(code_of(service.clone()).await, Code::Ok);
    }
    assert_eq!(tally(layer.breaker()), [3, 0, 0, 0]);
}

/// Serves, and sends each connection away after 20 ms. (tonic's `max_connection_age` panics in
/// 0.14.5: grpc/grpc-rust#2522.)
async fn restless() -> SocketAddr {
    serve_connections(|stream| async {
        let answer = service_fn(|_| ready(Ok::<_, Infallible>(with_trailers(headers([("grpc-status", b"0")])))));
        let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer);
        let mut connection = pin!(connection);
        let _ = timeout(ms(20), &mut connection).await;
        connection.as_mut().graceful_shutdown();
        connection.await.map_err(io::Error::other)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_renews_its_connections_under_load_does_not_trip_the_default_policy() {
    let layer = CircuitBreakerLayer::builder()
        .classify(grpc::ByGrpcStatus::new())
        .respond(grpc::Unavailable)
        .build()
        .unwrap();
    let service = layer.layer(channel(restless().await));
    let users = (0..8).map(|_| {
        let service = service.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                // Now and then a call meets a connection that has just been closed, and fails.
                let _ = check(service.clone()).await;
                // Real time, so that the connections grow old.
                sleep(ms(4)).await;
            }
        })
    });
    join_all(users).await;
    let [succeeded, failed, ..] = tally(layer.breaker());
    assert_eq!(succeeded + failed, 800, "none was refused");
    assert!(failed < 80, "{failed}");
}
