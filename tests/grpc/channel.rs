//! A tonic channel is a buffer: its slots, and places in the queue for them, outlive no trip.

use std::future::pending;

use futures::poll;
use hyper_util::rt::TokioIo;
use tokio::{io::DuplexStream, task::yield_now};
use tonic::{
    Code,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_breaker::{State, protocol::grpc};

use crate::support::*;

/// A channel with so many slots, to a host that is never reached.
fn unreachable_host(slots: usize) -> Channel {
    let connector = service_fn(|_| pending::<Result<TokioIo<DuplexStream>, BoxError>>());
    Endpoint::from_static("http://localhost")
        .buffer_size(slots)
        .connect_with_connector_lazy(connector)
}

/// Whether the channel has a slot to give.
async fn has_a_slot(channel: &Channel) -> bool {
    poll!(channel.clone().ready()).is_ready()
}

#[tokio::test]
async fn a_slot_that_a_refused_caller_was_ready_for_is_free_again() {
    let channel = unreachable_host(1);
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let mut caller = layer.layer(channel.clone());
    caller.ready().await.unwrap();
    assert!(!has_a_slot(&channel).await);
    trip(layer.breaker());
    let response = caller.call(http::Request::new(Body::empty())).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "14");
    assert!(has_a_slot(&channel).await);
}

#[tokio::test]
async fn a_slot_is_free_again_when_a_ready_caller_asks_once_more() {
    let channel = unreachable_host(1);
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let mut caller = layer.layer(channel.clone());
    caller.ready().await.unwrap();
    trip(layer.breaker());
    caller.ready().await.unwrap();
    assert!(has_a_slot(&channel).await);
}

#[tokio::test]
async fn a_place_in_the_queue_for_a_slot_is_given_up_at_a_trip() {
    let mut holder = unreachable_host(1);
    let other = holder.clone();
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let mut caller = layer.layer(holder.clone());
    holder.ready().await.unwrap();
    let queued = tokio::spawn(async move {
        caller.ready().await.unwrap();
        caller
    });
    yield_now().await;
    assert!(!queued.is_finished());
    trip(layer.breaker());
    let _caller = within(queued).await.unwrap();
    drop(holder);
    assert!(has_a_slot(&other).await, "the caller's old place would have taken it");
}

#[tokio::test]
async fn a_connection_that_is_never_made_trips_it_and_lets_go_of_who_waits_for_the_channel() {
    let clock = ManualClock::default();
    let layer = builder()
        .clock(clock.clone())
        .slow_after(ms(500))
        .respond(grpc::Unavailable)
        .build()
        .unwrap();
    let breaker = layer.breaker();
    // One call waits for the connection, two are in the channel's buffer, and one waits for a slot.
    let service = layer.layer(unreachable_host(2));
    let calls: Vec<_> = (0..4).map(|_| tokio::spawn(code_of(service.clone()))).collect();
    until(|| breaker.snapshot().in_flight == 3).await;
    clock.advance(ms(600));
    assert_eq!(code_of(service).await, Code::Unavailable);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot().totals.primary.slow, 3);

    let mut finished = Vec::new();
    for call in calls {
        yield_now().await;
        if call.is_finished() {
            finished.push(call.await.unwrap());
        } else {
            call.abort();
        }
    }
    assert_eq!(finished, [Code::Unavailable]);
}
