use std::{net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, StatusCode, Uri,
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

use crate::plan;

/// How many requests are sent each second.
pub(crate) const RATE: u32 = 100;
/// How long the client waits for an answer.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_secs(1);
/// What users put up with: an answer that takes longer is an error to them.
pub(crate) const SLO: Duration = Duration::from_millis(500);

type Body = Empty<Bytes>;

/// Whether there is a breaker in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Protected,
    Unprotected,
}

/// What a user got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    FromPrimary,
    FromBackup,
    /// None in time, a 5xx, or one that took longer than the [`SLO`].
    Error,
}

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) side: Side,
    /// Since the start.
    pub(crate) due: Duration,
    pub(crate) latency: Duration,
    pub(crate) answer: Answer,
}

/// A client whose requests go to this server, whatever their address says.
pub(crate) fn client_of(
    server: SocketAddr,
) -> MapRequest<Client<HttpConnector, Body>, impl FnMut(Request<Body>) -> Request<Body> + Clone> {
    ServiceBuilder::new()
        .map_request(move |mut request: Request<Body>| {
            *request.uri_mut() = Uri::builder()
                .scheme("http")
                .authority(server.to_string())
                .path_and_query(request.uri().path())
                .build()
                .expect("an address is an authority");
            request
        })
        .service(Client::builder(TokioExecutor::new()).build_http())
}

/// Sends requests at a steady rate as long as the plan lasts, each from a task of its own: none waits for another.
pub(crate) async fn send<S>(service: S, side: Side, start: Instant, finished: UnboundedSender<Call>)
where
    S: Service<Request<Body>, Response = Response<Incoming>, Error = Error, Future: Send> + Clone + Send + 'static,
{
    let mut due_times = interval_at(start, Duration::from_secs(1) / RATE);
    loop {
        let due = due_times.tick().await;
        if due >= start + plan::length() {
            return;
        }
        let (service, finished) = (service.clone(), finished.clone());
        tokio::spawn(async move {
            let answer = timeout_at(due + CLIENT_TIMEOUT, ask(service)).await;
            // From when it was due, not from when this machine came round to it.
            let latency = due.elapsed();
            let answer = match answer {
                Ok(Ok((status, body))) if !status.is_server_error() && latency <= SLO => match &*body {
                    b"backup" => Answer::FromBackup,
                    _ => Answer::FromPrimary,
                },
                _ => Answer::Error,
            };
            // Nobody listens any more where the report couldn't be written.
            let _ = finished.send(Call {
                side,
                due: due - start,
                latency,
                answer,
            });
        });
    }
}

async fn ask<S>(service: S) -> Result<(StatusCode, Bytes), BoxError>
where
    S: Service<Request<Body>, Response = Response<Incoming>, Error = Error>,
{
    let response = service.oneshot(Request::get("/orders/17").body(Body::new())?).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
