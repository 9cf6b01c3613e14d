//! What counts as a failure, as it comes over the wire.

use futures::stream;
use http::HeaderMap;
use tonic::Code;
use tower::Layer;
use tower_breaker::{Outcome, State, protocol::grpc};

use crate::support::*;

fn status(code: &[u8]) -> HeaderMap {
    headers([("grpc-status", code)])
}

/// The verdict by these headers, and by the same as trailers.
async fn verdicts(fields: HeaderMap) -> [(Option<Outcome>, Code); 2] {
    let layer = || builder().respond(grpc::Unavailable).build().unwrap();
    [
        judged(layer(), head_only(200, fields.clone())).await,
        judged(layer(), with_trailers(fields)).await,
    ]
}

#[tokio::test]
async fn what_is_the_services_fault_is_a_failure_and_what_is_the_callers_is_not() {
    use Outcome::{Failure, Ignored, Success};
    for (code, expected) in [
        (1, Ignored),
        (2, Failure),
        (3, Success),
        (4, Failure),
        (5, Success),
        (6, Success),
        (7, Success),
        (8, Failure),
        (9, Success),
        (10, Success),
        (11, Success),
        (12, Success),
        (13, Failure),
        (14, Failure),
        (15, Failure),
        (16, Success),
    ] {
        let expected = (Some(expected), Code::from(code));
        assert_eq!(verdicts(status(code.to_string().as_bytes())).await, [expected; 2]);
    }
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    assert_eq!(
        judged(layer, with_trailers(status(b"0"))).await,
        (Some(Success), Code::Ok)
    );
}

#[tokio::test]
async fn a_status_that_cannot_be_read_is_unknown() {
    for garbage in [
        &b"garbage"[..],
        b"",
        b"-1",
        b"+0",
        b"0 0",
        b"0x0",
        b"17",
        b"99",
        b"18446744073709551616",
        b"\xff\xfe",
        "٣".as_bytes(),
    ] {
        let unknown = (Some(Outcome::Failure), Code::Unknown);
        assert_eq!(verdicts(status(garbage)).await, [unknown; 2], "{garbage:?}");
    }
}

#[tokio::test]
async fn a_proxys_503_with_no_grpc_status_trips() {
    let address = scripted(|_| async { head_only(503, HeaderMap::new()) }).await;
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let service = layer.layer(channel(address));
    for _ in 0..3 {
        assert_eq!(layer.breaker().state(), State::Closed);
        assert_eq!(code_of(service.clone()).await, Code::Unavailable);
    }
    assert_eq!(layer.breaker().state(), State::Open);
}

#[tokio::test]
async fn a_grpc_status_outweighs_the_http_status() {
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let response = head_only(503, status(b"5"));
    assert_eq!(judged(layer, response).await, (Some(Outcome::Success), Code::NotFound));
}

#[tokio::test]
async fn an_end_with_no_status_is_a_failure() {
    for response in [
        head_only(200, HeaderMap::new()),
        streamed(stream::iter([Ok(message())])),
        with_trailers(HeaderMap::new()),
    ] {
        let layer = builder().respond(grpc::Unavailable).build().unwrap();
        assert_eq!(judged(layer, response).await.0, Some(Outcome::Failure));
    }
}

#[tokio::test]
async fn a_mapping_of_ones_own_replaces_the_usual_one() {
    let by_code = |code| match code {
        grpc::Code::NotFound => Outcome::Failure,
        grpc::Code::Unavailable => Outcome::Ignored,
        _ => Outcome::Success,
    };
    for (code, expected) in [
        (5, Outcome::Failure),
        (14, Outcome::Ignored),
        (13, Outcome::Success),
        (1, Outcome::Success),
    ] {
        let layer = builder()
            .classify(grpc::ByGrpcStatus::with_fn(by_code))
            .respond(grpc::Unavailable)
            .build()
            .unwrap();
        let response = with_trailers(status(code.to_string().as_bytes()));
        assert_eq!(judged(layer, response).await, (Some(expected), Code::from(code)));
    }
}

#[tokio::test]
async fn a_cancelled_probe_decides_nothing_and_frees_its_place() {
    let clock = ManualClock::default();
    let address = scripted(|_| async { with_trailers(status(b"1")) }).await;
    let layer = builder()
        .clock(clock.clone())
        .respond(grpc::Unavailable)
        .build()
        .unwrap();
    let service = layer.layer(channel(address));
    trip(layer.breaker());
    clock.advance(OPEN + ms(1));
    for _ in 0..5 {
        assert_eq!(code_of(service.clone()).await, Code::Cancelled, "it got through");
    }
    assert_eq!(layer.breaker().state(), State::HalfOpen);
    assert_eq!(layer.breaker().snapshot().share, 0);
}
