//! A breaker around an axum handler: the server rides through an outage of its database.
//!
//! Shows a layer on some routes of a router, classification by HTTP status, and a handler as the
//! backup.
//!
//! Run it with `cargo run --example axum_server`. It takes about six seconds: 100 requests per
//! second over a socket, while the database is down from second 1 to second 4. It exits with an
//! error if users saw more errors than the breaker should let through.

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
    Breaker, CircuitBreakerLayer, ConfigError, State as BreakerState, observe::Transition, protocol::http::ByStatus,
};

/// Builds the router. The breaker takes one layer, on the routes that need it.
fn app(database: Database) -> Result<(Router, Breaker), ConfigError> {
    let layer = CircuitBreakerLayer::builder()
        .name("stock")
        .slow_after(Duration::from_millis(300)) // a slower call is as bad as an error
        .classify(ByStatus::new()) // a 5xx is a failure
        .backup(get(last_known)) // a handler; or `.respond(Unavailable::new())`
        .build()?; // a `ConfigError` names the field and the value
    let breaker = layer.breaker().clone(); // a handle: state, snapshot, events, manual control
    let app = Router::new()
        .route("/stock/{item}", get(in_stock))
        .route_layer(layer) // covers the routes above, not those below
        .route("/version", get(async || "1"))
        .with_state(database);
    Ok((app, breaker))
}

async fn in_stock(State(database): State<Database>, Path(item): Path<String>) -> Result<String, StatusCode> {
    let count = database.count(&item).await.ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(format!("{count} {item}"))
}

async fn last_known(Path(item): Path<String>) -> String {
    format!("some {item}, as last known")
}

/// A database that the handler calls, and that goes down.
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

/// Of the 300 calls in the outage: the breaker needs half a second to be sure, and sends a probe
/// now and then.
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
                print(start, &event);
                if event.transition == Transition::Closed {
                    end = end.min(Instant::now() + Duration::from_millis(500));
                }
            }
            _ = quarters.tick() => print(start, &counts_text(mem::take(&mut quarter))),
        }
    }
    println!("in all:  {}", counts_text(all));
    match breaker.state() {
        BreakerState::Closed if all[ERROR] <= ERRORS_AT_MOST => Ok(()),
        state => Err(format!("the breaker is {state}, and users saw {} errors", all[ERROR]).into()),
    }
}

/// Answers from the database, last known answers, and errors.
type Counts = [usize; 3];
const ERROR: usize = 2;

async fn ask(client: reqwest::Client, url: String) -> usize {
    let answer = async { client.get(url).send().await?.error_for_status()?.text().await };
    answer.await.map_or(ERROR, |text| usize::from(text.starts_with("some")))
}

fn counts_text([fresh, last_known, errors]: Counts) -> String {
    format!("{fresh:4} fresh  {last_known:4} last known  {errors:4} errors")
}

fn print(start: Instant, text: &impl Display) {
    println!("{:5.2} s  {text}", start.elapsed().as_secs_f32());
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("axum_server: {error}");
    ExitCode::FAILURE
}
