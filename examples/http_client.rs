//! A breaker around an HTTP client: it rides through a hang of one server with the help of another.
//!
//! Shows a layer around a `reqwest` client, a closure as the classifier, and a second server as the
//! backup.
//!
//! Run it with `cargo run --example http_client`. It takes about seven seconds: 100 requests per
//! second over sockets. From second 1 to second 4 the primary accepts requests and never answers.
//! It exits with an error if users waited in vain more often than the breaker should let them.

use std::{fmt::Display, future::pending, mem, net::Ipv4Addr, process::ExitCode, time::Duration};

use axum::{Router, routing::get};
use futures::StreamExt;
use reqwest::{Client, Error, Method, Request, Response, Url};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, interval, sleep, timeout},
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_breaker::{Breaker, CircuitBreakerLayer, ConfigError, Outcome, State, observe::Transition};

/// Puts a breaker around a client. It takes one layer.
fn protected(client: Client, backup: Url) -> Result<(impl Geocoder, Breaker), ConfigError> {
    let layer = CircuitBreakerLayer::builder()
        .name("geocoder")
        .slow_after(Duration::from_millis(200)) // a slower call is as bad as an error
        .classify_fn(|result: Result<&Response, &Error>| match result {
            Ok(response) if !response.status().is_server_error() => Outcome::Success,
            Ok(_) | Err(_) => Outcome::Failure,
        })
        .backup(elsewhere(client.clone(), backup)) // any service with the same types
        .build()?; // a `ConfigError` names the field and the value
    let breaker = layer.breaker().clone(); // a handle: state, snapshot, events, manual control
    Ok((ServiceBuilder::new().layer(layer).service(client), breaker))
}

/// Sends the same requests to another server.
fn elsewhere(client: Client, server: Url) -> impl Geocoder {
    ServiceBuilder::new()
        .map_request(move |mut request: Request| {
            let path = request.url().path().to_owned();
            *request.url_mut() = server.clone();
            request.url_mut().set_path(&path);
            request
        })
        .service(client)
}

trait Geocoder: Service<Request, Response = Response, Error = Error, Future: Send> + Clone + Send + 'static {}
impl<S: Service<Request, Response = Response, Error = Error, Future: Send> + Clone + Send + 'static> Geocoder for S {}

/// Starts a server that answers with its name after 10 ms, except between the two instants of
/// `hangs`.
async fn server(name: &'static str, hangs: [Instant; 2]) -> Result<Url, BoxError> {
    let answer = move || async move {
        sleep(Duration::from_millis(10)).await;
        let [from, to] = hangs;
        if (from..to).contains(&Instant::now()) {
            pending::<()>().await;
        }
        name
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?).parse()?;
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/place", get(answer))).await });
    Ok(url)
}

/// Of the 300 calls in the hang: a call is slow after 0.2 s, the breaker needs half a second to be
/// sure, and sends a probe now and then.
const WAITED_IN_VAIN_AT_MOST: usize = 130;

async fn run() -> Result<(), BoxError> {
    let start = Instant::now();
    let [hang, healthy, mut end] = [1, 4, 9].map(|second| start + Duration::from_secs(second));
    let primary = server("primary", [hang, healthy]).await?;
    let backup = server("backup", [start, start]).await?;
    let (service, breaker) = protected(Client::builder().no_proxy().build()?, backup)?;

    let url = primary.join("place")?;
    let mut events = breaker.subscribe();
    let mut requests = interval(Duration::from_millis(10));
    let mut quarters = interval(Duration::from_millis(250));
    let mut asking = JoinSet::new();
    let (mut all, mut quarter) = (Counts::default(), Counts::default());
    while Instant::now() < end {
        tokio::select! {
            _ = requests.tick() => {
                asking.spawn(ask(service.clone(), Request::new(Method::GET, url.clone())));
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
        State::Closed if all[NONE] <= WAITED_IN_VAIN_AT_MOST => Ok(()),
        state => Err(format!("the breaker is {state}, and users waited in vain {} times", all[NONE]).into()),
    }
}

/// Answers of the primary, answers of the backup, and calls without an answer.
type Counts = [usize; 3];
const NONE: usize = 2;

/// Calls the service like a user who waits for a second. The breaker doesn't wait as long: for it a
/// hanging call is slow after 0.2 s.
async fn ask(service: impl Geocoder, request: Request) -> usize {
    let answer = async { service.oneshot(request).await?.error_for_status()?.text().await };
    match timeout(Duration::from_secs(1), answer).await {
        Ok(Ok(name)) => usize::from(name == "backup"),
        Ok(Err(_)) | Err(_) => NONE,
    }
}

fn counts_text([primary, backup, none]: Counts) -> String {
    format!("{primary:4} by the primary  {backup:4} by the backup  {none:4} waited in vain")
}

fn print(start: Instant, text: &impl Display) {
    println!("{:5.2} s  {text}", start.elapsed().as_secs_f32());
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("http_client: {error}");
    ExitCode::FAILURE
}
