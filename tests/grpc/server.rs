//! The layer around a tonic server, or one of its services.

use std::net::SocketAddr;

use http::Uri;
use tonic::{Code, server::NamedService, service::LayerExt, transport::Server};
use tonic_health::{
    pb::{HealthCheckRequest, health_client::HealthClient, health_server::HealthServer},
    server::health_reporter,
};
use tower_breaker::{CircuitBreakerLayer, ConfigError, State, on_open::Respond, protocol::grpc};

use crate::support::*;

#[tokio::test]
async fn a_service_in_the_layer_keeps_its_name_and_with_it_its_route() -> Result<(), ConfigError> {
    let (_reporter, health) = health_reporter();
    let (incoming, address) = bound();
    // As in the README:
    let layer = CircuitBreakerLayer::builder()
        .name("health")
        .classify(grpc::ByGrpcStatus::new())
        .respond(grpc::Unavailable)
        .build()?;
    let breaker = layer.breaker().clone();
    let server = Server::builder().add_service(layer.named_layer(health));

    tokio::spawn(server.serve_with_incoming(incoming));
    let channel = channel(address);
    assert_eq!(code_of(channel.clone()).await, Code::Ok);
    let mut client = HealthClient::new(channel);
    let unknown = HealthCheckRequest {
        service: "unknown".into(),
    };
    assert_eq!(client.check(unknown).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(tally(&breaker), [2, 0, 0, 0]);
    Ok(())
}

#[test]
fn the_name_is_that_of_the_service() {
    fn name<S: NamedService>(_: &S) -> &'static str {
        S::NAME
    }
    let layered = builder()
        .build()
        .unwrap()
        .named_layer(HealthServer::new(Patient::default()));
    assert_eq!(name(&layered), "grpc.health.v1.Health");
}

#[tokio::test]
async fn a_layer_on_the_server_guards_unknown_routes_too() -> Result<(), ConfigError> {
    let (_reporter, health) = health_reporter();
    let (incoming, address) = bound();
    // As in the README:
    let layer = CircuitBreakerLayer::builder()
        .name("server")
        .classify(grpc::ByGrpcStatus::new())
        .respond(grpc::Unavailable)
        .build()?;
    let breaker = layer.breaker().clone();
    let server = Server::builder().layer(layer).add_service(health);

    tokio::spawn(server.serve_with_incoming(incoming));
    let channel = channel(address);
    let elsewhere = Uri::from_static("http://localhost/elsewhere");
    let mut unknown = HealthClient::with_origin(channel.clone(), elsewhere);
    let mut ask_unknown = async || unknown.check(HealthCheckRequest::default()).await.unwrap_err().code();
    assert_eq!(code_of(channel.clone()).await, Code::Ok);
    assert_eq!(ask_unknown().await, Code::Unimplemented);
    assert_eq!(tally(&breaker), [2, 0, 0, 0]);
    breaker.force_open("a test", None);
    assert_eq!(code_of(channel).await, Code::Unavailable);
    assert_eq!(ask_unknown().await, Code::Unavailable);
    Ok(())
}

/// A server with one guarded service.
fn guarded(
    mut server: Server,
    layer: &CircuitBreakerLayer<Respond<grpc::Unavailable>, grpc::ByGrpcStatus>,
) -> (Patient, SocketAddr) {
    let patient = Patient::default();
    let (incoming, address) = bound();
    let service = layer.named_layer(HealthServer::new(patient.clone()));
    tokio::spawn(server.add_service(service).serve_with_incoming(incoming));
    (patient, address)
}

#[tokio::test]
async fn while_open_clients_are_told_when_to_come_back_and_the_service_is_left_alone() {
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let (patient, address) = guarded(Server::builder(), &layer);
    let channel = channel(address);
    patient.set(Condition::Fails(Code::Internal));
    for _ in 0..3 {
        assert_eq!(code_of(channel.clone()).await, Code::Internal);
    }
    let status = check(channel).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "the circuit breaker is open");
    let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap();
    let millis: u64 = pushback.to_str().unwrap().parse().unwrap();
    assert!((1..=60_000).contains(&millis), "{millis}");
    assert_eq!(layer.breaker().snapshot().totals.primary.calls, 3);
}

#[tokio::test]
async fn streams_that_fail_in_their_trailers_trip_it() {
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let (patient, address) = guarded(Server::builder(), &layer);
    let channel = channel(address);
    patient.set(Condition::Fails(Code::DataLoss));
    let mut client = HealthClient::new(channel);
    for failed in 1..=3 {
        let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert!(within(stream.message()).await.unwrap().is_some());
        assert_eq!(within(stream.message()).await.unwrap_err().code(), Code::DataLoss);
        assert_eq!(tally(layer.breaker()), [0, failed, 0, 0]);
    }
    let refused = client.watch(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn calls_that_a_servers_timeout_ends_are_slow() {
    // In real time: tonic's timeout comes long after `slow_after`, on whatever machine.
    let layer = builder().slow_after(ms(10)).respond(grpc::Unavailable).build().unwrap();
    let (patient, address) = guarded(Server::builder().timeout(ms(100)), &layer);
    let channel = channel(address);
    patient.set(Condition::Hangs);
    for _ in 0..3 {
        assert_eq!(code_of(channel.clone()).await, Code::Cancelled);
    }
    until(|| layer.breaker().state() == State::Open).await;
    assert_eq!(layer.breaker().snapshot().totals.primary.slow, 3);
}

#[tokio::test]
async fn a_client_that_goes_away_during_its_probe_frees_the_probe() {
    let clock = ManualClock::default();
    let layer = builder()
        .clock(clock.clone())
        .respond(grpc::Unavailable)
        .build()
        .unwrap();
    let breaker = layer.breaker().clone();
    let (patient, address) = guarded(Server::builder(), &layer);
    let other = channel(address);
    trip(&breaker);
    clock.advance(OPEN + ms(1));
    // With its stream only, and with its connection.
    for (cancelled, client) in [(1, other.clone()), (2, channel(address))] {
        patient.set(Condition::Hangs);
        let probe = tokio::spawn(async { check(client).await.map_err(drop) });
        until(|| breaker.snapshot().in_flight == 1).await;
        assert_eq!(code_of(other.clone()).await, Code::Unavailable, "one probe at a time");
        probe.abort();
        until(|| breaker.snapshot().in_flight == 0).await;
        assert_eq!(breaker.state(), State::HalfOpen);
        assert_eq!(breaker.snapshot().totals.primary.cancelled, cancelled);
    }
    patient.set(Condition::Well);
    assert_eq!(code_of(other).await, Code::Ok, "the next probe");
    assert_eq!(breaker.snapshot().share, 20);
}
