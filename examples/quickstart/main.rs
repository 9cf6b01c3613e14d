//! A circuit breaker at work: 100 HTTP requests per second to a primary that hangs, fails and is
//! slow in turn.
//!
//! Shows a layer around an HTTP client with a backup, the breaker's events, and the console. The
//! same requests also go to a copy of the primary without a breaker, for comparison.
//!
//! Run it with `cargo run --example quickstart`. It takes 27 seconds and prints the console's
//! address. With `-- --keep` it runs until it is stopped. The errors that remain with the breaker
//! are the calls before each trip, and a probe now and then. It exits with an error if the breaker
//! was of no use.

mod call_counts;
mod console;
mod plan;
mod report;
mod servers;
mod summary;
mod traffic;

use std::{net::Ipv4Addr, process::ExitCode, time::Duration};

use futures::StreamExt;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, interval_at},
};
use tower::{BoxError, ServiceBuilder};
use tower_breaker::{CircuitBreakerLayer, protocol::http::ByStatus, registry::Registry};

use crate::{
    plan::Condition,
    report::{QUARTER, Report},
    servers::Server,
    traffic::{Side, client_of, send},
};

async fn run(keep: bool) -> Result<(), BoxError> {
    let start = Instant::now();
    let planned = move || plan::condition_at(start.elapsed());
    let primary = Server::start("primary", Duration::from_millis(30), planned).await?;
    let twin = Server::start("primary", Duration::from_millis(30), planned).await?;
    let backup = Server::start("backup", Duration::from_millis(60), || Condition::Healthy).await?;

    let registry = Registry::new(); // for the console
    let console = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("the console is at http://{}/", console.local_addr()?);
    tokio::spawn(console::serve(console, registry.clone()));

    // The breaker takes one layer, around a client.
    let layer = CircuitBreakerLayer::builder()
        .name("payments")
        .slow_after(Duration::from_millis(300)) // a slower call is as bad as an error
        .classify(ByStatus::new()) // an error is a failure, and so is a 5xx
        .backup(client_of(backup.address)) // any service with the same request, response and error
        .registry(&registry) // optional: the console finds the breaker here
        .seed(1) // optional: the same jitter in each run
        .build()?; // a `ConfigError` names the field and the value
    let breaker = layer.breaker().clone(); // a handle: state, snapshot, events, manual control
    let protected = ServiceBuilder::new().layer(layer).service(client_of(primary.address));

    let unprotected = client_of(twin.address);
    let mut events = breaker.subscribe();
    let mut quarters = interval_at(start + QUARTER, QUARTER);
    let (finished, mut calls) = mpsc::unbounded_channel();
    let length = if keep { Duration::MAX } else { plan::LENGTH };
    tokio::spawn(send(protected, Side::Protected, start, length, finished.clone()));
    tokio::spawn(send(unprotected, Side::Unprotected, start, length, finished));

    let mut report = Report::new();
    report.header()?;
    loop {
        tokio::select! {
            biased;
            Some(event) = events.next() => report.event(start.elapsed(), &event)?,
            call = calls.recv() => match call {
                Some(call) => report.call(&call),
                None => break, // all calls have ended
            },
            _ = quarters.tick() => report.quarter(start.elapsed(), &breaker)?,
        }
    }
    report.quarter(start.elapsed(), &breaker)?;
    report.end([primary.wasted(), twin.wasted()], breaker.state())
}

#[tokio::main]
async fn main() -> ExitCode {
    let keep = std::env::args().any(|arg| arg == "--keep");
    let Err(error) = run(keep).await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("quickstart: {error}");
    ExitCode::FAILURE
}
