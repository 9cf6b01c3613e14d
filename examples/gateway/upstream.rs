//! The connections to the instances.

use std::{
    pin::Pin,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, uri::PathAndQuery};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower::{BoxError, Service};

use crate::config::Address;

/// A body that is streamed.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

pub(crate) type Client = legacy::Client<HttpConnector, Body>;

/// Creates the client. It keeps connections to all instances for later requests.
pub(crate) fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_secs(1)));
    connector.set_nodelay(true);
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        // Servers close idle connections after a minute or more, and a request on a closing
        // connection would fail.
        .pool_idle_timeout(Duration::from_secs(30))
        .build(connector)
}

/// An instance without its breaker.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client,
    address: Arc<RwLock<Address>>,
    /// In milliseconds.
    timeout: Arc<AtomicU64>,
    in_flight: Arc<AtomicUsize>,
}

/// A guard that counts a request until it is answered.
struct InFlight(Arc<AtomicUsize>);

impl Upstream {
    pub(crate) fn new(client: Client, address: Address) -> Self {
        Self {
            client,
            address: Arc::new(RwLock::new(address)),
            timeout: Arc::default(),
            in_flight: Arc::default(),
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.address.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the instance's address.
    pub(crate) fn set_address(&self, address: Address) {
        *self.address.write().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// Sets how long the instance may take to answer, up to the head of the response.
    pub(crate) fn set_timeout(&self, timeout: Duration) {
        let millis = timeout.as_millis().max(1) as u64;
        self.timeout.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl Service<Request<Body>> for Upstream {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = self.address().with_path(path.unwrap_or(PathAndQuery::from_static("/")));
        let answer = self.client.request(request);
        let timeout = Duration::from_millis(self.timeout.load(Ordering::Relaxed));
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let in_flight = InFlight(self.in_flight.clone());
        Box::pin(async move {
            let answer = tokio::time::timeout(timeout, answer).await;
            drop(in_flight);
            let response = answer.map_err(|_| TimedOut)??;
            Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
        })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The error of an instance that didn't answer in time.
#[derive(Debug)]
pub(crate) struct TimedOut;

impl std::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the instance didn't answer in time")
    }
}

impl std::error::Error for TimedOut {}
