//! A server says when to come back, in its headers or its trailers.

use std::{future::ready, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::Full;
use tonic::{Code, body::Body, service::LayerExt, transport::Server};
use tonic_health::pb::health_server::HealthServer;
use tower::{Layer, ServiceExt, util::MapRequestLayer};
use tower_breaker::{
    on_open::{CloneRequests, FailOverBudget},
    protocol::grpc,
    recovery::OpenDuration,
};

use crate::support::*;

const OWN: OpenDuration = OpenDuration::fixed(Duration::from_secs(1));
const HONORING: OpenDuration = OWN.honor_retry_after(Duration::from_secs(60));

/// A server whose calls fail, and say this.
async fn saying(said: HeaderMap, in_trailers: bool) -> SocketAddr {
    scripted(move |_| {
        let mut fields = headers([("grpc-status", b"14")]);
        fields.extend(said.clone());
        ready(if in_trailers {
            with_trailers(fields)
        } else {
            head_only(200, fields)
        })
    })
    .await
}

/// For how long a breaker is open after three failures there.
async fn open_for(open_duration: OpenDuration, address: SocketAddr) -> Duration {
    let layer = builder()
        .clock(ManualClock::default())
        .open_duration(open_duration)
        .respond(grpc::Unavailable)
        .build()
        .unwrap();
    let service = layer.layer(channel(address));
    for _ in 0..3 {
        assert_eq!(code_of(service.clone()).await, Code::Unavailable);
    }
    let open = layer.breaker().try_acquire().expect_err("it tripped");
    open.retry_after().unwrap()
}

#[tokio::test]
async fn what_the_server_asks_for_is_heeded_where_it_is_asked_for_and_makes_sense() {
    for (name, value, expected) in [
        ("grpc-retry-pushback-ms", &b"20000"[..], 20),
        ("grpc-retry-pushback-ms", b"2147483647", 60),
        ("grpc-retry-pushback-ms", b"0", 1),
        ("grpc-retry-pushback-ms", b"-1", 1),
        ("grpc-retry-pushback-ms", b"soon", 1),
        ("grpc-retry-pushback-ms", b"", 1),
        ("grpc-retry-pushback-ms", b"\xff", 1),
        ("retry-after", b"20", 20),
    ] {
        for in_trailers in [false, true] {
            let address = saying(headers([(name, value)]), in_trailers).await;
            let heeded = open_for(HONORING, address).await;
            assert_eq!(heeded, Duration::from_secs(expected), "{name}: {value:?}");
            assert_eq!(open_for(OWN, address).await, Duration::from_secs(1));
        }
    }
}

#[tokio::test]
async fn a_servers_breaker_tells_its_clients_breaker_how_long_to_stay_open() {
    let server = builder()
        .clock(ManualClock::default())
        .respond(grpc::Unavailable)
        .build()
        .unwrap();
    server.breaker().force_open("a test", Duration::from_millis(30_250));
    let (incoming, address) = bound();
    let health = server.named_layer(HealthServer::new(Patient::default()));
    tokio::spawn(Server::builder().add_service(health).serve_with_incoming(incoming));
    assert_eq!(open_for(HONORING, address).await, Duration::from_millis(30_250));
}

#[tokio::test]
async fn a_call_that_fails_over_leaves_what_its_server_asked_for() {
    let primary = channel(saying(headers([("grpc-retry-pushback-ms", b"20000")]), false).await);
    let backup = channel(scripted(|_| ready(head_only(200, headers([("grpc-status", b"0")])))).await);
    // Requests that can be kept, and sent once more.
    let of_bytes = MapRequestLayer::new(|request: http::Request<Bytes>| request.map(|text| Body::new(Full::new(text))));
    let layer = builder()
        .clock(ManualClock::default())
        .open_duration(HONORING)
        .backup(of_bytes.layer(backup))
        .fail_over(CloneRequests, FailOverBudget::default())
        .build()
        .unwrap();
    let service = layer.layer(of_bytes.layer(primary));
    for _ in 0..3 {
        let response = within(service.clone().oneshot(http::Request::new(Bytes::new())))
            .await
            .unwrap();
        assert_eq!(response.headers()["grpc-status"], "0");
    }
    assert_eq!(layer.breaker().snapshot().totals.failed_over, 3);
    let open = layer.breaker().try_acquire().expect_err("it tripped");
    assert_eq!(open.retry_after(), Some(Duration::from_secs(20)));
}
