//! A circuit breaker at work: a client sends 100 requests a second over HTTP to a primary that hangs, fails and is slow by turns.
//!
//! `cargo run --example quickstart` takes 27 seconds. The same requests go to a twin of the primary with no breaker, to
//! compare; it exits with an error where the breaker was of no use.

mod paint;
mod plan;
mod report;
mod servers;
mod summary;
mod tally;
mod traffic;

use std::{io, process::ExitCode, time::Duration};

use futures::StreamExt;
use hyper::{Response, body::Incoming};
use hyper_util::client::legacy::Error;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, interval_at},
};
use tower::{BoxError, ServiceBuilder};
use tower_breaker::{CircuitBreakerLayer, Outcome};

use crate::{
    plan::Condition,
    report::{QUARTER, Report},
    servers::Server,
    traffic::{Side, client_of, send},
};

async fn compare() -> Result<(), BoxError> {
    let (condition, at_primary) = watch::channel(Condition::Healthy);
    let primary = Server::start("primary", Duration::from_millis(30), at_primary.clone()).await?;
    let twin = Server::start("primary", Duration::from_millis(30), at_primary).await?;
    let (_always, healthy) = watch::channel(Condition::Healthy);
    let backup = Server::start("backup", Duration::from_millis(60), healthy).await?;

    // All that it takes: the layer, and around which service it goes.
    let layer = CircuitBreakerLayer::builder()
        .name("payments")
        .slow_after(Duration::from_millis(300)) // a call that takes longer is as bad as an error
        .classify_fn(|result: Result<&Response<Incoming>, &Error>| match result {
            Ok(response) if !response.status().is_server_error() => Outcome::Success,
            Ok(_) | Err(_) => Outcome::Failure,
        })
        .backup(client_of(backup.address())) // any Service with the same Request, Response, Error
        .seed(1) // the same jitter in each run: leave this out
        .build()?;
    let breaker = layer.breaker().clone(); // a handle: state, snapshot, events, manual control
    let protected = ServiceBuilder::new().layer(layer).service(client_of(primary.address()));

    let mut events = breaker.subscribe();
    let (finished, mut calls) = mpsc::unbounded_channel();
    let mut report = Report::new(io::stdout());
    report.header()?;

    let start = Instant::now();
    let mut quarters = interval_at(start + QUARTER, QUARTER);
    tokio::spawn(plan::follow(start, condition));
    tokio::spawn(send(
        client_of(twin.address()),
        Side::Unprotected,
        start,
        finished.clone(),
    ));
    tokio::spawn(send(protected, Side::Protected, start, finished));
    loop {
        tokio::select! {
            biased;
            Some(event) = events.next() => report.event(start.elapsed(), &event)?,
            call = calls.recv() => match call {
                Some(call) => report.call(&call),
                None => break,
            },
            _ = quarters.tick() => report.quarter(start.elapsed(), &breaker)?,
        }
    }
    report.quarter(start.elapsed(), &breaker)?;
    let complaints = report.summary(&breaker, [primary.wasted(), twin.wasted()])?;
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(complaints.join("; ").into()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match compare().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}
