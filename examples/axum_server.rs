//! An axum server that rides through an outage of what its handler calls.
//!
//! `cargo run --example axum_server` takes some six seconds: 100 requests a second over a socket, and from second 1 to second 4
//! the database is down. It exits with an error where users saw more errors than the breaker should let through.

use std::{
    fmt::Display,
    mem,
    net::Ipv4Addr,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use futures::StreamExt;
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, interval, sleep, sleep_until},
};
use tower::BoxError;
use tower_breaker::{
    Breaker, CircuitBreakerLayer, ConfigError, State as Position, observe::Transition, protocol::http::ByStatus,
};

/// All that it takes: a layer, on the routes that need it.
fn app(database: Database) -> Result<(Router, Breaker), ConfigError> {
    let layer = CircuitBreakerLayer::builder()
        .name("stock")
        .slow_after(Duration::from_millis(300)) // a call that takes longer is as bad as an error
        .classify(ByStatus::new()) // 5xx is a failure
        .backup(get(last_known)) // a handler; without one: .respond(Unavailable::new())
        .build()?; // Err(ConfigError) names the field and the value
    let breaker = layer.breaker().clone(); // a handle: state, snapshot, events, manual control
    let app = Router::new()
        .route("/stock/{item}", get(in_stock))
        .route_layer(layer) // on the routes above it, not on those below
        .route("/version", get(async || "1"))
        .with_state(database);
    Ok((app, breaker))
}

async fn in_stock(State(database): State<Database>, Path(item): Path<String>) -> Result<String, StatusCode> {
    let count = database.count(&item).await.ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(format!("{count} {item}"))
}

async fn last_known(Path(item): Path<String>) -> String {
    format!("some {item}, when we last looked")
}

/// What the handler calls, and what goes down.
#[derive(Clone, Default)]
struct Database {
    is_down: Arc<AtomicBool>,
}

impl Database {
    async fn count(&self, item: &str) -> Option<usize> {
        sleep(Duration::from_millis(10)).await;
        (!self.is_down.load(Ordering::Relaxed)).then_some(item.len())
    }

    async fn go_down(self, from: Instant, to: Instant) {
        for (is_down, at) in [(true, from), (false, to)] {
            sleep_until(at).await;
            self.is_down.store(is_down, Ordering::Relaxed);
        }
    }
}

/// Of the 300 in the outage: it takes half a second to be sure of it, and then there is a probe now and then.
const ERRORS_AT_MOST: usize = 100;

async fn run() -> Result<(), BoxError> {
    let database = Database::default();
    let (app, breaker) = app(database.clone())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/stock/apples", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    let start = Instant::now();
    let [outage, healthy, mut end] = [1, 4, 9].map(|second| start + Duration::from_secs(second));
    tokio::spawn(database.go_down(outage, healthy));
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut events = breaker.subscribe();
    let mut requests = interval(Duration::from_millis(10));
    let mut quarters = interval(Duration::from_millis(250));
    let mut asking = JoinSet::new();
    let (mut all, mut quarter) = (Counts::default(), Counts::default());
    while Instant::now() < end {
        tokio::select! {
            _ = requests.tick() => {
                asking.spawn(ask(client.clone(), url.clone()));
            }
            Some(Ok(answer)) = asking.join_next() => {
                all[answer] += 1;
                quarter[answer] += 1;
            }
            Some(event) = events.next() => {
                say(start, &event);
                if event.transition == Transition::Closed {
                    end = end.min(Instant::now() + Duration::from_millis(500));
                }
            }
            _ = quarters.tick() => say(start, &told(mem::take(&mut quarter))),
        }
    }
    println!("in all:  {}", told(all));
    match breaker.state() {
        Position::Closed if all[ERROR] <= ERRORS_AT_MOST => Ok(()),
        state => Err(format!("the breaker is {state}, and users saw {} errors", all[ERROR]).into()),
    }
}

/// Fresh answers, last known ones, and errors.
type Counts = [usize; 3];
const ERROR: usize = 2;

async fn ask(client: reqwest::Client, url: String) -> usize {
    let answer = async { client.get(url).send().await?.error_for_status()?.text().await };
    answer.await.map_or(ERROR, |text| usize::from(text.starts_with("some")))
}

fn told([fresh, last_known, errors]: Counts) -> String {
    format!("{fresh:4} fresh  {last_known:4} last known  {errors:4} errors")
}

fn say(start: Instant, what: &impl Display) {
    println!("{:5.2} s  {what}", start.elapsed().as_secs_f32());
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("axum_server: {error}");
    ExitCode::FAILURE
}
