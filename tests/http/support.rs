//! Servers and clients on this machine, and a breaker whose time stands still until a test moves
//! it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_breaker::layer::CircuitBreakerLayerBuilder;

use crate::common::{breakers, sockets::listen};
pub(crate) use crate::common::{
    breakers::trip,
    clock::ManualClock,
    durations::ms,
    sockets::{refusing, until, within},
};

/// Trips at the third bad call in a row, stays open for exactly one second of this clock.
pub(crate) fn builder_on(clock: &ManualClock) -> CircuitBreakerLayerBuilder {
    breakers::builder().clock(clock.clone())
}

/// Like [`builder_on`], but on a clock that stands still: what has opened stays open.
pub(crate) fn builder() -> CircuitBreakerLayerBuilder {
    builder_on(&ManualClock::default())
}

/// Serves HTTP/1 and 2 until the test ends.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A server whose answers the test sets, and which notes what it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    control: Arc<Control>,
}

#[derive(Debug)]
struct Control {
    name: &'static str,
    status: AtomicU16,
    hangs: AtomicBool,
    headers: Mutex<HeaderMap>,
    bodies: Mutex<Vec<Bytes>>,
}

impl Origin {
    /// It answers 200, and its name.
    pub(crate) async fn start(name: &'static str) -> Self {
        let control = Arc::new(Control {
            name,
            status: AtomicU16::new(200),
            hangs: AtomicBool::new(false),
            headers: Mutex::default(),
            bodies: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(control.clone());
        Self {
            address: serve(router).await,
            control,
        }
    }

    pub(crate) fn answers(&self, status: u16) {
        self.control.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn hangs(&self, hangs: bool) {
        self.control.hangs.store(hangs, Ordering::SeqCst);
    }

    pub(crate) fn sends(&self, name: HeaderName, value: &str) {
        let value = HeaderValue::from_str(value).unwrap();
        self.control.headers.lock().unwrap().insert(name, value);
    }

    /// The bodies of the requests so far.
    pub(crate) fn bodies(&self) -> Vec<Bytes> {
        self.control.bodies.lock().unwrap().clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.control.bodies.lock().unwrap().len()
    }
}

async fn answer(State(control): State<Arc<Control>>, request: Request) -> Response {
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    control.bodies.lock().unwrap().push(body);
    if control.hangs.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(control.status.load(Ordering::SeqCst)).unwrap();
    let headers = control.headers.lock().unwrap().clone();
    (status, headers, control.name).into_response()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// A client with connections of its own.
pub(crate) fn client(protocol: Protocol) -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new())
        .http2_only(protocol == Protocol::Http2)
        .build_http()
}

/// A client whose requests go to this server.
pub(crate) fn client_of(
    protocol: Protocol,
    server: SocketAddr,
) -> impl Service<Request, Response = http::Response<Incoming>, Error = Error, Future: Send> + Clone + Send + Sync + 'static
{
    ServiceBuilder::new()
        .map_request(move |mut request: Request| {
            *request.uri_mut() = Uri::try_from(format!("http://{server}{}", request.uri().path())).unwrap();
            request
        })
        .service(client(protocol))
}

pub(crate) fn request(method: Method, path: &str, body: impl Into<Body>) -> Request {
    Request::builder().method(method).uri(path).body(body.into()).unwrap()
}

pub(crate) fn get(path: &str) -> Request {
    request(Method::GET, path, Body::empty())
}

/// One call, and its answer read to the end.
pub(crate) async fn ask<S, B>(service: &S, request: Request) -> Result<(u16, String), BoxError>
where
    S: Service<Request, Response = http::Response<B>, Error: Into<BoxError>> + Clone,
    B: http_body::Body<Error: Into<BoxError>>,
{
    within(async {
        let response = service.clone().oneshot(request).await.map_err(Into::into)?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(Into::into)?;
        Ok((status, String::from_utf8(body.to_bytes().to_vec())?))
    })
    .await
}

/// The answer to `GET path`, as one would read it aloud.
pub(crate) async fn say<S, B>(service: &S, path: &str) -> String
where
    S: Service<Request, Response = http::Response<B>, Error: Into<BoxError>> + Clone,
    B: http_body::Body<Error: Into<BoxError>>,
{
    match ask(service, get(path)).await {
        Ok((status, body)) => format!("{status} {body}"),
        Err(error) => format!("error: {error}"),
    }
}
