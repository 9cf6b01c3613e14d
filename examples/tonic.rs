//! A breaker around a tonic channel: a gRPC client rides through an outage of its server.
//!
//! Shows classification by gRPC status, which may stand in the trailers only, and `UNAVAILABLE` as
//! the answer of an open breaker.
//!
//! Run it with `cargo run --example tonic`. It takes about six seconds. During the outage the
//! server's streams begin well and end in `UNAVAILABLE`. It exits with an error if the breaker
//! doesn't trip or doesn't recover.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    ops::Range,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream};
use tokio::time::{Instant, interval, interval_at};
use tonic::{
    Request, Response, Status,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::{BoxError, ServiceBuilder};
use tower_breaker::{CircuitBreaker, CircuitBreakerLayer, State, on_open::Respond, protocol::grpc, snapshot::Totals};

/// The client of a channel behind the breaker.
type Client = HealthClient<CircuitBreaker<Channel, Respond<grpc::Unavailable>, grpc::ByGrpcStatus>>;

async fn run() -> Result<(), BoxError> {
    let sick = Arc::<AtomicBool>::default();
    let channel = serve(FlakyHealth(sick.clone()))?;

    // The breaker takes one layer, around a channel.
    let layer = CircuitBreakerLayer::builder()
        .name("inventory")
        .slow_after(Duration::from_millis(300)) // a slower call is as bad as an error
        .classify(grpc::ByGrpcStatus::new()) // by the status in headers or trailers
        .respond(grpc::Unavailable) // while open: `UNAVAILABLE`, and when to retry
        .build()?;
    let breaker = layer.breaker().clone(); // a handle: state, snapshot, events, manual control
    let mut client = HealthClient::new(ServiceBuilder::new().layer(layer).service(channel));

    writeln!(
        io::stdout(),
        "100 streams a second. The server is sick in {OUTAGE:?}.{HEADER}"
    )?;
    let start = Instant::now();
    let mut events = breaker.subscribe();
    let mut calls = interval(Duration::from_millis(10));
    let mut lines = interval_at(start + HALF_A_SECOND, HALF_A_SECOND);
    let mut shown = Totals::default();
    let mut tripped = false;
    loop {
        sick.store(OUTAGE.contains(&start.elapsed()), Ordering::Relaxed);
        tokio::select! {
            biased;
            Some(event) = events.next() => {
                tripped |= breaker.state() == State::Open;
                writeln!(io::stdout(), "{:5.2} s ▸ {event}", start.elapsed().as_secs_f64())?;
            }
            now = lines.tick() => {
                let now = now - start;
                let totals = breaker.snapshot().totals;
                line(now, breaker.state(), &shown, &totals)?;
                shown = totals;
                match breaker.state() {
                    State::Closed if tripped && now > OUTAGE.end => return Ok(()),
                    state if now > PATIENCE => return Err(format!("tripped: {tripped}; now: {state}").into()),
                    _ => {}
                }
            }
            _ = calls.tick() => drop(read_a_stream(&mut client).await), // the breaker counts it
        }
    }
}

const HALF_A_SECOND: Duration = Duration::from_millis(500);
const OUTAGE: Range<Duration> = Duration::from_millis(1_200)..Duration::from_millis(3_500);
const PATIENCE: Duration = Duration::from_secs(9);

const HEADER: &str = "\n
             the     the              streams that      and that the
    time  server     breaker        ended well  badly   breaker refused";

/// Prints what happened since the last line.
fn line(now: Duration, state: State, before: &Totals, totals: &Totals) -> io::Result<()> {
    writeln!(
        io::stdout(),
        "{:5.2} s     {:7}{:14}{:11}{:7}{:18}",
        now.as_secs_f64(),
        if OUTAGE.contains(&now) { "sick" } else { "well" },
        state.to_string(),
        totals.primary.succeeded - before.primary.succeeded,
        totals.primary.failed - before.primary.failed,
        totals.refused - before.refused,
    )
}

async fn read_a_stream(client: &mut Client) -> Result<(), Status> {
    let mut stream = client.watch(HealthCheckRequest::default()).await?.into_inner();
    while stream.message().await?.is_some() {}
    Ok(())
}

/// Serves on a port of this machine until the program ends.
fn serve(service: FlakyHealth) -> Result<Channel, BoxError> {
    let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let channel = Channel::from_shared(format!("http://{}", incoming.local_addr()?))?.connect_lazy();
    // A server's service takes a layer, too:
    // `.add_service(layer.named_layer(HealthServer::new(service)))`.
    let server = Server::builder().add_service(HealthServer::new(service));
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(channel)
}

/// A service that fails while its flag is set.
struct FlakyHealth(Arc<AtomicBool>);

#[tonic::async_trait]
impl Health for FlakyHealth {
    type WatchStream = stream::BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Err(Status::unimplemented("only `watch` is implemented"))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let status = ServingStatus::Serving.into();
        let sick = self.0.load(Ordering::Relaxed);
        let end = sick.then(|| Err(Status::unavailable("the database is gone")));
        let answers = stream::iter([Ok(HealthCheckResponse { status })]).chain(stream::iter(end));
        Ok(Response::new(answers.boxed()))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("tonic: {error}");
    ExitCode::FAILURE
}
