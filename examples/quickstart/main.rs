//! A circuit breaker at work: 100 HTTP requests a second to a primary that hangs, fails and is slow by turns.
//!
//! `cargo run --example quickstart` takes 27 seconds. To compare, the same requests go to a twin of the primary, with no
//! breaker. The errors that the breaker leaves are the calls before each trip, and a probe now and then. It exits with an
//! error where the breaker was of no use. The console's address is printed; with `--keep` as an argument, all goes on until it is stopped.

mod console;
mod plan;
mod report;
mod servers;
mod summary;
mod tally;
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

    // All that it takes: a layer, around a client.
    let layer = CircuitBreakerLayer::builder()
        .name("payments")
        .slow_after(Duration::from_millis(300)) // a call that takes longer is as bad as an error
        .classify(ByStatus::new()) // errors are failures, and so is a 5xx
        .backup(client_of(backup.address)) // any Service with the same Request, Response, Error
        .registry(&registry) // where the console finds it; leave it out
        .seed(1) // for the same jitter in each run; leave it out
        .build()?; // Err(ConfigError) names the field and the value
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
                None => break, // all have ended
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
