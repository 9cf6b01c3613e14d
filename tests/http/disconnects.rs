//! A server's clients hang up: that is no fault of the service.

use std::{
    future::{pending, ready},
    io::Error,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, body::Body, extract::State, routing};
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tower::ServiceExt;
use tower_breaker::{
    Breaker, State as Position,
    layer::CircuitBreakerLayerBuilder,
    protocol::http::{ByStatus, Latency},
};

use crate::support::*;

/// A route whose handler hangs while this is so, behind a breaker with a backup.
async fn hanging(builder: CircuitBreakerLayerBuilder) -> (SocketAddr, Breaker, Arc<AtomicBool>) {
    async fn primary(State(hangs): State<Arc<AtomicBool>>) -> &'static str {
        if hangs.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        "primary"
    }
    let hangs = Arc::new(AtomicBool::new(true));
    let layer = builder.backup(routing::get(async || "backup")).build().unwrap();
    let breaker = layer.breaker().clone();
    let app = Router::new()
        .route("/", routing::get(primary))
        .route_layer(layer)
        .with_state(hangs.clone());
    (serve(app).await, breaker, hangs)
}

/// A client asks, and hangs up while the handler is at work.
async fn ask_and_hang_up(protocol: Protocol, server: SocketAddr, breaker: &Breaker) {
    let asking = tokio::spawn(client_of(protocol, server).oneshot(get("/")));
    until(|| breaker.snapshot().in_flight == 1).await;
    asking.abort();
    until(|| breaker.snapshot().in_flight == 0).await;
}

#[tokio::test]
async fn a_probe_whose_client_hangs_up_frees_its_slot() {
    for protocol in PROTOCOLS {
        let clock = ManualClock::default();
        let (server, breaker, hangs) = hanging(builder_on(&clock)).await;
        let app = client_of(protocol, server);
        trip(&breaker);
        clock.advance(ms(1000));
        for _ in 0..3 {
            let probe = tokio::spawn(client_of(protocol, server).oneshot(get("/")));
            until(|| breaker.snapshot().in_flight == 1).await;
            assert_eq!(say(&app, "/").await, "200 backup", "the slot is taken");
            probe.abort();
            until(|| breaker.snapshot().in_flight == 0).await;
            assert_eq!(breaker.state(), Position::HalfOpen);
        }
        hangs.store(false, Ordering::SeqCst);
        assert_eq!(say(&app, "/").await, "200 primary");
        let snapshot = breaker.snapshot();
        assert_eq!((snapshot.share, snapshot.totals.primary.cancelled), (20, 3));
    }
}

#[tokio::test]
async fn a_probe_whose_connection_is_cut_frees_its_slot() {
    for reset in [false, true] {
        let clock = ManualClock::default();
        let (server, breaker, hangs) = hanging(builder_on(&clock)).await;
        trip(&breaker);
        clock.advance(ms(1000));
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        until(|| breaker.snapshot().in_flight == 1).await;
        if reset {
            stream.set_zero_linger().unwrap();
        }
        drop(stream);
        until(|| breaker.snapshot().in_flight == 0).await;
        hangs.store(false, Ordering::SeqCst);
        assert_eq!(say(&client_of(Protocol::Http1, server), "/").await, "200 primary");
    }
}

#[tokio::test]
async fn clients_that_hang_up_in_good_time_say_nothing() {
    for protocol in PROTOCOLS {
        let (server, breaker, _) = hanging(builder().slow_after(ms(300))).await;
        for _ in 0..5 {
            ask_and_hang_up(protocol, server, &breaker).await;
        }
        assert_eq!(breaker.snapshot().totals.primary.cancelled, 5);
        assert_eq!(breaker.state(), Position::Closed);
    }
}

#[tokio::test]
async fn clients_that_have_waited_for_long_when_they_hang_up_say_that_it_is_slow() {
    let clock = ManualClock::default();
    let (server, breaker, _) = hanging(builder_on(&clock).slow_after(ms(300))).await;
    for _ in 0..3 {
        assert_eq!(breaker.state(), Position::Closed);
        let asking = tokio::spawn(client_of(Protocol::Http1, server).oneshot(get("/")));
        until(|| breaker.snapshot().in_flight == 1).await;
        clock.advance(ms(301));
        asking.abort();
        until(|| breaker.snapshot().in_flight == 0).await;
    }
    assert_eq!(breaker.state(), Position::Open);
    assert_eq!(breaker.snapshot().totals.primary.slow, 3);
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_has_cancelled_it() {
    for protocol in PROTOCOLS {
        let layer = builder()
            .classify(ByStatus::new().at_end(Latency::ToHead))
            .backup(routing::get(async || "backup"));
        let layer = layer.build().unwrap();
        let breaker = layer.breaker().clone();
        let ticks = async || Body::from_stream(stream::once(ready(Ok::<_, Error>("tick"))).chain(stream::pending()));
        let app = Router::new().route("/", routing::get(ticks)).route_layer(layer);
        let server = serve(app).await;
        for left in 1..=4 {
            let response = within(client_of(protocol, server).oneshot(get("/"))).await.unwrap();
            let mut body = response.into_body();
            within(body.frame()).await.unwrap().unwrap();
            assert_eq!(breaker.snapshot().in_flight, 1);
            drop(body);
            until(|| breaker.snapshot().in_flight == 0).await;
            assert_eq!(breaker.snapshot().totals.primary.cancelled, left, "{protocol:?}");
        }
        assert_eq!(breaker.state(), Position::Closed);
    }
}
