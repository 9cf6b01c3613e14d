//! The traffic of the demonstration: users who send requests at a steady rate.

use std::{net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, Uri,
    body::{Bytes, Incoming},
};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    sync::mpsc::UnboundedSender,
    time::{Instant, interval_at, timeout_at},
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, util::MapRequest};

/// Requests per second.
pub(crate) const RATE: u32 = 100;
/// How long the client waits for an answer.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long users wait. A later answer is an error to them.
pub(crate) const SLO: Duration = Duration::from_millis(500);

type Body = Empty<Bytes>;

/// Whether a call goes through the breaker.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Protected,
    Unprotected,
}

/// What a user got.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    FromPrimary,
    FromBackup,
    /// No answer in time, a 5xx, or an answer later than the [`SLO`].
    Error,
}

/// A call that has ended.
pub(crate) struct Call {
    pub(crate) side: Side,
    /// When it had to be sent, from the start.
    pub(crate) due: Duration,
    pub(crate) latency: Duration,
    pub(crate) answer: Answer,
}

/// Creates a client whose requests go to this server.
pub(crate) fn client_of(
    server: SocketAddr,
) -> MapRequest<Client<HttpConnector, Body>, impl FnMut(Request<Body>) -> Request<Body> + Clone> {
    ServiceBuilder::new()
        .map_request(move |mut request: Request<Body>| {
            let url = format!("http://{server}{}", request.uri().path());
            *request.uri_mut() = Uri::try_from(url).expect("an address and a path make a URL");
            request
        })
        .service(Client::builder(TokioExecutor::new()).build_http())
}

/// Sends requests at a steady rate for `length`. Each has a task of its own, so that none waits for
/// another.
pub(crate) async fn send<S>(service: S, side: Side, start: Instant, length: Duration, finished: UnboundedSender<Call>)
where
    S: Service<Request<Body>, Response = Response<Incoming>, Error = Error, Future: Send> + Clone + Send + 'static,
{
    let mut due_times = interval_at(start, Duration::from_secs(1) / RATE);
    loop {
        let due_at = due_times.tick().await;
        let due = due_at - start;
        if due >= length {
            return;
        }
        let (service, finished) = (service.clone(), finished.clone());
        tokio::spawn(async move {
            let answer = timeout_at(due_at + CLIENT_TIMEOUT, ask(service)).await;
            // Measures from the time at which the request was due, even if this machine sent it
            // later.
            let latency = due_at.elapsed();
            let answer = match answer {
                Ok(Ok(answer)) if latency <= SLO => answer,
                _ => Answer::Error,
            };
            // If the report can't be written, the receiver is gone.
            let _ = finished.send(Call {
                side,
                due,
                latency,
                answer,
            });
        });
    }
}

async fn ask(
    service: impl Service<Request<Body>, Response = Response<Incoming>, Error = Error>,
) -> Result<Answer, BoxError> {
    let response = service.oneshot(Request::new(Body::new())).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(match &*body {
        _ if status.is_server_error() => Answer::Error,
        b"backup" => Answer::FromBackup,
        _ => Answer::FromPrimary,
    })
}
