//! The layer around a tonic channel.

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tonic::{
    Code, ConnectError, Status,
    body::Body,
    transport::{self, Channel, Server},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient, health_server::HealthServer};
use tower::{BoxError, Layer, ServiceBuilder, service_fn, util::BoxCloneSyncService};
use tower_breaker::{
    CircuitBreaker, CircuitBreakerLayer, CircuitOpen, ConfigError, State,
    on_open::{FailOverBudget, Respond},
    protocol::{grpc, http::RetainRequests},
};

use crate::support::*;

/// A patient on a server of its own.
fn hospital() -> (Patient, SocketAddr) {
    let patient = Patient::default();
    let (incoming, address) = bound();
    let server = Server::builder().add_service(HealthServer::new(patient.clone()));
    tokio::spawn(server.serve_with_incoming(incoming));
    (patient, address)
}

/// An address at which connections are refused for as long as the socket lives.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// As a user would keep it.
struct Inventory {
    health: HealthClient<CircuitBreaker<Channel, Respond<grpc::Unavailable>, grpc::ByGrpcStatus>>,
}

impl Inventory {
    async fn is_healthy(&self) -> Result<(), Status> {
        // Clients are cloned, as tonic's are.
        self.health.clone().check(HealthCheckRequest::default()).await?;
        Ok(())
    }
}

#[tokio::test]
async fn refused_calls_get_unavailable_and_when_to_come_back() -> Result<(), ConfigError> {
    let (patient, address) = hospital();
    let channel = channel(address);
    // As in the README:
    let layer = CircuitBreakerLayer::builder()
        .name("inventory")
        .slow_after(ms(10_000))
        .classify(grpc::ByGrpcStatus::new())
        .respond(grpc::Unavailable)
        .build()?;
    let breaker = layer.breaker().clone();
    let health = HealthClient::new(ServiceBuilder::new().layer(layer).service(channel));

    let inventory = Arc::new(Inventory { health });
    let same = inventory.clone();
    let in_a_task = tokio::spawn(async move { same.is_healthy().await });
    assert!(in_a_task.await.unwrap().is_ok());
    patient.set(Condition::Fails(Code::ResourceExhausted));
    assert_eq!(
        inventory.is_healthy().await.unwrap_err().code(),
        Code::ResourceExhausted
    );
    assert_eq!(tally(&breaker), [1, 1, 0, 0]);

    breaker.force_open("a test", ms(30_000));
    let status = inventory.is_healthy().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap();
    let millis: u64 = pushback.to_str().unwrap().parse().unwrap();
    assert!((1..=30_000).contains(&millis), "{millis}");
    Ok(())
}

#[tokio::test]
async fn rejected_calls_get_unavailable_by_a_map_err_above_the_layer() -> Result<(), ConfigError> {
    let (_patient, address) = hospital();
    let channel = channel(address);
    // As in the README:
    let layer = CircuitBreakerLayer::builder()
        .name("inventory")
        .classify(grpc::ByGrpcStatus::new())
        .build()?;
    let breaker = layer.breaker().clone();
    let mut health = HealthClient::new(BoxCloneSyncService::new(
        ServiceBuilder::new()
            .map_err(|error: BoxError| match error.downcast::<CircuitOpen>() {
                Ok(open) => Status::unavailable(open.to_string()),
                Err(error) => Status::from_error(error),
            })
            .layer(layer)
            .map_err(BoxError::from)
            .service(channel),
    ));

    // In a task, where a `map_err` of boxed errors costs the future its `Send`, unless the service
    // is boxed.
    tokio::spawn(async move {
        health.check(HealthCheckRequest::default()).await.unwrap();
        breaker.force_open("a test", None);
        let status = health.check(HealthCheckRequest::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.message(), "the circuit breaker \"inventory\" is open");
    })
    .await
    .unwrap();
    Ok(())
}

#[tokio::test]
async fn without_it_a_rejection_is_unknown_to_tonic() {
    let (_patient, address) = hospital();
    let layer = builder().build().unwrap();
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .map_err(BoxError::from)
        .service(channel(address));
    assert_eq!(code_of(service.clone()).await, Code::Ok);
    trip(layer.breaker());
    let status = tokio::spawn(check(service)).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    assert!(status.source().unwrap().is::<CircuitOpen>());
}

#[tokio::test]
async fn a_backup_channel_takes_over_and_gives_back() {
    let clock = ManualClock::default();
    let (primary, primary_address) = hospital();
    let (backup, backup_address) = hospital();
    let layer = builder()
        .clock(clock.clone())
        .backup(channel(backup_address))
        .build()
        .unwrap();
    let service = layer.layer(channel(primary_address));
    primary.set(Condition::Fails(Code::Unavailable));
    backup.set(Condition::Fails(Code::NotFound));
    for _ in 0..3 {
        assert_eq!(code_of(service.clone()).await, Code::Unavailable);
    }
    assert_eq!(code_of(service.clone()).await, Code::NotFound);
    backup.set(Condition::Well);
    let answer = tokio::spawn(check(service.clone())).await.unwrap();
    assert!(answer.is_ok());
    assert_eq!(layer.breaker().snapshot().totals.backup.succeeded, 2);

    primary.set(Condition::Well);
    clock.advance(OPEN + ms(1));
    recover(service, layer.breaker(), &clock).await;
    assert_eq!(layer.breaker().state(), State::Closed);
}

fn is_unsent(error: &transport::Error) -> bool {
    std::iter::successors(error.source(), |&error| error.source()).any(<dyn Error>::is::<ConnectError>)
}

#[tokio::test]
async fn calls_that_found_no_connection_fail_over_to_the_backup_channel() {
    let (_socket, dead) = refusing();
    let (_patient, backup) = hospital();
    let layer = builder()
        .backup(channel(backup))
        .fail_over(
            RetainRequests::new(Body::new).unsent(is_unsent),
            FailOverBudget::default(),
        )
        .build()
        .unwrap();
    let service = layer.layer(channel(dead));
    for _ in 0..5 {
        assert_eq!(tokio::spawn(code_of(service.clone())).await.unwrap(), Code::Ok);
    }
    let totals = layer.breaker().snapshot().totals;
    assert_eq!(
        [totals.primary.failed, totals.failed_over, totals.backup.calls],
        [3, 3, 5]
    );
}

#[tokio::test]
async fn a_lazy_channel_to_a_dead_host_trips_in_its_calls_and_never_in_its_readiness() {
    let (_socket, dead) = refusing();
    let layer = builder().respond(grpc::Unavailable).build().unwrap();
    let service = layer.layer(channel(dead));
    for _ in 0..3 {
        let status = check(service.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_ne!(status.message(), "the circuit breaker is open");
    }
    let status = check(service).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "the circuit breaker is open");
    let totals = layer.breaker().snapshot().totals;
    assert_eq!([totals.primary.failed, totals.readiness.errors], [3, 0]);
}

#[tokio::test]
async fn a_server_that_dies_and_comes_back_is_used_again() {
    let clock = ManualClock::default();
    let (_socket, dead) = refusing();
    // Where the host is, as its users' DNS has it.
    let host = Arc::new(Mutex::new(dead));
    let serve = || {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (send, ready) = std::sync::mpsc::channel();
        // On a runtime of its own, whose end cuts the connections, too.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let (_patient, address) = hospital();
                send.send(address).unwrap();
                let _ = stopped.await;
            });
        });
        *host.lock().unwrap() = ready.recv().unwrap();
        (stop, thread)
    };
    let here = host.clone();
    let connector = service_fn(move |_| {
        let address = *here.lock().unwrap();
        async move { TcpStream::connect(address).await.map(TokioIo::new) }
    });
    let layer = builder()
        .clock(clock.clone())
        .respond(grpc::Unavailable)
        .build()
        .unwrap();
    let service = layer.layer(endpoint(dead).connect_with_connector_lazy(connector));

    let (stop, thread) = serve();
    assert_eq!(code_of(service.clone()).await, Code::Ok);
    *host.lock().unwrap() = dead;
    drop(stop);
    thread.join().unwrap();
    for _ in 0..3 {
        assert_ne!(code_of(service.clone()).await, Code::Ok);
    }
    assert_eq!(layer.breaker().state(), State::Open);
    clock.advance(OPEN + ms(1));
    assert_eq!(code_of(service.clone()).await, Code::Unavailable, "a probe in vain");
    assert_eq!(layer.breaker().state(), State::Open);

    let (stop, thread) = serve();
    clock.advance(OPEN + ms(1));
    recover(service, layer.breaker(), &clock).await;
    drop(stop);
    thread.join().unwrap();
}
