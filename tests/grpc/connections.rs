//! HTTP/2 streams that are reset, and connections that go away.

use std::{
    convert::Infallible,
    future::ready,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
};

use futures::future::join_all;
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tonic::Code;
use tower::Layer;
use tower_breaker::{CircuitBreakerLayer, protocol::grpc};

use crate::support::*;

// RFC 9113, 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
// RFC 9113, 7.
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

const PREFACE: usize = 24;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

fn go_away(last_stream: u32, code: u32) -> Vec<u8> {
    let payload = [last_stream.to_be_bytes(), code.to_be_bytes()].concat();
    frame(GOAWAY, 0, 0, &payload)
}

/// `:status: 200`, number 8 of HPACK's static table.
fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &[0x88])
}

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
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer_each(stream, answer));
        }
    });
    address
}

async fn answer_each(mut stream: TcpStream, answer: Answer) -> io::Result<()> {
    stream.read_exact(&mut [0; PREFACE]).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header).await?;
        let [l0, l1, l2, kind, flags, id @ ..] = header;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        stream.read_exact(&mut vec![0; length as usize]).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            HEADERS => {
                for frame in answer(u32::from_be_bytes(id)) {
                    if frame.is_empty() {
                        return Ok(());
                    }
                    stream.write_all(&frame).await?;
                }
            }
            _ => {}
        }
    }
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

/// Serves, and sends each connection away after 20 ms. (tonic's `max_connection_age` panics in 0.14.5: grpc/grpc-rust#2522.)
async fn restless() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let answer =
                    service_fn(|_| ready(Ok::<_, Infallible>(with_trailers(headers([("grpc-status", b"0")])))));
                let connection =
                    http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer);
                let mut connection = pin!(connection);
                let _ = timeout(ms(20), &mut connection).await;
                connection.as_mut().graceful_shutdown();
                connection.await
            });
        }
    });
    address
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
