//! What goes wrong on the wire: each trips the breaker, and then the backup answers.

use std::{
    convert::Infallible,
    future::{pending, ready},
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
};

use axum::body::Body;
use futures::{StreamExt, stream::FuturesUnordered};
use http::Response;
use http_body_util::BodyExt;
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, sync::Notify, time::timeout};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt};
use tower_breaker::{
    CircuitBreakerLayer, State,
    layer::CircuitBreakerLayerBuilder,
    on_open::Reject,
    protocol::http::{ByStatus, ByStatusAtEnd, Latency},
};

use crate::{
    common::sockets::serve_connections,
    support::*,
    wire::{self, Says, Then},
};

fn at_end() -> CircuitBreakerLayerBuilder<Reject, ByStatusAtEnd> {
    builder().classify(ByStatus::new().at_end(Latency::ToHead))
}

/// Three calls to this peer, and what came of them; then one more, which the backup has to answer.
async fn three_calls(protocol: Protocol, peer: SocketAddr) -> [String; 3] {
    let backup = Origin::start("backup").await;
    let layer = at_end().backup(client_of(protocol, backup.address)).build().unwrap();
    let service = layer.layer(client_of(protocol, peer));
    let mut came = [const { String::new() }; 3];
    for what in &mut came {
        assert_eq!(layer.breaker().state(), State::Closed, "{came:?}");
        *what = match within(service.clone().oneshot(get("/"))).await {
            Err(_) => "no answer".into(),
            Ok(response) => {
                let status = response.status();
                let body = within(response.into_body().collect()).await;
                format!("{status}, its body {}", if body.is_ok() { "whole" } else { "torn" })
            }
        };
    }
    assert_eq!(say(&service, "/").await, "200 backup", "{came:?}");
    assert_eq!(layer.breaker().snapshot().totals.primary.failed, 3);
    came
}

#[tokio::test]
async fn refused_connections_are_failures() {
    for protocol in PROTOCOLS {
        let (_socket, peer) = refusing();
        assert_eq!(three_calls(protocol, peer).await, ["no answer"; 3]);
    }
}

#[tokio::test]
async fn connections_that_end_before_a_head_are_failures() {
    for says in [
        "",
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        for then in [Then::Closes, Then::Resets] {
            let peer = wire::http1(says, then).await;
            assert_eq!(three_calls(Protocol::Http1, peer).await, ["no answer"; 3], "{says}");
        }
    }
    for then in [Then::Closes, Then::Resets] {
        let peer = wire::http2(Says::Nothing, then).await;
        assert_eq!(three_calls(Protocol::Http2, peer).await, ["no answer"; 3]);
    }
}

const HALVES: [&str; 2] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of ",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf of \r\n",
];

#[tokio::test]
async fn half_a_response_is_a_failure() {
    let torn = ["200 OK, its body torn"; 3];
    for half in HALVES {
        let peer = wire::http1(half, Then::Closes).await;
        assert_eq!(three_calls(Protocol::Http1, peer).await, torn, "{half}");
    }
    for half in [Says::HalfABody, Says::HalfABodyAndReset] {
        let peer = wire::http2(half, Then::Closes).await;
        assert_eq!(three_calls(Protocol::Http2, peer).await, torn, "{half:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_in_the_middle_of_a_body_is_a_failure() {
    let sign = Arc::<Notify>::default();
    let then = || Then::ResetsAt(sign.clone());
    for (protocol, peer) in [
        (Protocol::Http1, wire::http1(HALVES[0], then()).await),
        (Protocol::Http1, wire::http1(HALVES[1], then()).await),
        (Protocol::Http2, wire::http2(Says::HalfABody, then()).await),
    ] {
        let layer = at_end().build().unwrap();
        let service = ServiceBuilder::new()
            .layer(layer.clone())
            .map_err(BoxError::from)
            .service(client_of(protocol, peer));
        for failed in 1..=3 {
            let response = within(service.clone().oneshot(get("/"))).await.unwrap();
            sign.notify_one();
            within(response.into_body().collect()).await.map(drop).unwrap_err();
            assert_eq!(layer.breaker().snapshot().totals.primary.failed, failed);
        }
        assert_eq!(layer.breaker().state(), State::Open);
    }
}

#[tokio::test]
async fn a_server_that_goes_away_with_the_calls_unanswered_has_failed() {
    const NO_ERROR: u32 = 0;
    const ENHANCE_YOUR_CALM: u32 = 11;
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        for then in [Then::Closes, Then::Hangs] {
            let peer = wire::http2(Says::GoAway(code), then).await;
            assert_eq!(three_calls(Protocol::Http2, peer).await, ["no answer"; 3], "{code}");
        }
    }
}

/// Answers one request of a connection, and tells the client meanwhile that it goes away.
async fn polite(stream: TcpStream) -> io::Result<()> {
    let asked = Arc::<Notify>::default();
    let asking = asked.clone();
    let answer = service_fn(move |_| {
        asking.notify_one();
        ready(Ok::<_, Infallible>(Response::new(Body::from("primary"))))
    });
    let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        () = asked.notified() => connection.as_mut().graceful_shutdown(),
        ended = connection.as_mut() => return ended.map_err(io::Error::other),
    }
    connection.await.map_err(io::Error::other)
}

#[tokio::test]
async fn a_server_that_goes_away_when_it_has_answered_has_not_failed() {
    let layer = at_end().build().unwrap();
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .map_err(BoxError::from)
        .service(client_of(Protocol::Http2, serve_connections(polite).await));
    for _ in 0..5 {
        assert_eq!(say(&service, "/").await, "200 primary");
    }
    assert_eq!(layer.breaker().snapshot().totals.primary.succeeded, 5);
}

/// Peers that accept, and then say nothing; over HTTP/2 not even to the connection's preface.
async fn silent() -> [(Protocol, SocketAddr); 3] {
    let mute = serve_connections(|stream| async move {
        let _stream = stream;
        pending().await
    });
    let mute = mute.await;
    [
        (Protocol::Http1, mute),
        (Protocol::Http2, mute),
        (Protocol::Http2, wire::http2(Says::Nothing, Then::Hangs).await),
    ]
}

#[tokio::test]
async fn calls_that_are_never_answered_are_slow_while_they_hang() {
    for (protocol, peer) in silent().await {
        let clock = ManualClock::default();
        let backup = Origin::start("backup").await;
        let layer = builder_on(&clock)
            .slow_after(ms(300))
            .classify(ByStatus::new())
            .backup(client_of(protocol, backup.address))
            .build()
            .unwrap();
        let service = layer.layer(client_of(protocol, peer));
        let hanging: Vec<_> = (0..3)
            .map(|_| tokio::spawn(service.clone().oneshot(get("/"))))
            .collect();
        until(|| layer.breaker().snapshot().in_flight == 3).await;
        clock.advance(ms(310));
        assert_eq!(say(&service, "/").await, "200 backup");
        assert_eq!(layer.breaker().snapshot().totals.primary.slow, 3);
        assert!(hanging.iter().all(|call| !call.is_finished()));
    }
}

#[tokio::test]
async fn a_hang_trips_with_no_timeout_and_no_time_but_the_clocks() {
    let (protocol, peer) = silent().await[0];
    let backup = Origin::start("backup").await;
    let layer = CircuitBreakerLayer::builder()
        .slow_after(ms(50))
        .backup(client_of(protocol, backup.address))
        .build()
        .unwrap();
    let service = layer.layer(client_of(protocol, peer));
    let mut calls = FuturesUnordered::new();
    // The default policy wants evidence over half a second.
    let answer = within(async {
        loop {
            calls.push(service.clone().oneshot(get("/")));
            if let Ok(Some(answer)) = timeout(ms(20), calls.next()).await {
                return answer.unwrap();
            }
        }
    });
    assert_eq!(answer.await.status(), 200);
    assert_eq!(backup.requests(), 1);
}
