//! Servers on loopback sockets, and clients to talk to them.

use std::{
    convert::Infallible,
    fmt,
    future::{Future, pending, ready},
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    client::GrpcService,
    transport::{Channel, Endpoint, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_client::HealthClient,
    health_server::Health,
};
use tower::{BoxError, Layer};
use tower_breaker::{
    Breaker, CircuitBreakerLayer, Outcome, State, layer::CircuitBreakerLayerBuilder, on_open::Reject, protocol::grpc,
};

use crate::common::breakers;
pub(crate) use crate::common::{
    breakers::trip,
    clock::ManualClock,
    durations::ms,
    sockets::{serve_connections, until, within},
};

/// How long a breaker from [`builder`] stays open: for ever, unless a test moves its clock.
pub(crate) const OPEN: Duration = Duration::from_secs(60);

/// Trips at the third bad call in a row.
pub(crate) fn builder() -> CircuitBreakerLayerBuilder<Reject, grpc::ByGrpcStatus> {
    breakers::builder()
        .open_duration(OPEN)
        .classify(grpc::ByGrpcStatus::new())
}

/// How many calls to the primary succeeded, failed, were ignored, and were cancelled.
pub(crate) fn tally(breaker: &Breaker) -> [u64; 4] {
    let primary = breaker.snapshot().totals.primary;
    [primary.succeeded, primary.failed, primary.ignored, primary.cancelled]
}

/// A unary call.
pub(crate) async fn check<T>(service: T) -> Result<(), Status>
where
    T: GrpcService<Body>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<BoxError> + Send,
{
    let mut client = HealthClient::new(service);
    let response = within(client.check(HealthCheckRequest::default())).await?;
    assert_eq!(response.get_ref().status(), ServingStatus::Serving);
    Ok(())
}

pub(crate) async fn code_of<T>(service: T) -> Code
where
    T: GrpcService<Body>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<BoxError> + Send,
{
    check(service).await.err().map_or(Code::Ok, |status| status.code())
}

/// Makes calls, a tenth of a second apart, until all may pass.
pub(crate) async fn recover<T>(service: T, breaker: &Breaker, clock: &ManualClock)
where
    T: GrpcService<Body> + Clone,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<BoxError> + Send,
{
    for _ in 0..100 {
        let _ = check(service.clone()).await;
        clock.advance(ms(100));
        if breaker.state() == State::Closed {
            return;
        }
    }
    panic!("still {}", breaker.state());
}

/// A port to serve on.
pub(crate) fn bound() -> (TcpIncoming, SocketAddr) {
    let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = incoming.local_addr().unwrap();
    (incoming, address)
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).unwrap()
}

pub(crate) fn channel(address: SocketAddr) -> Channel {
    endpoint(address).connect_lazy()
}

/// A health service, and how it is.
#[derive(Clone, Default)]
pub(crate) struct Patient(Arc<Mutex<Condition>>);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Condition {
    #[default]
    Well,
    Fails(Code),
    Hangs,
}

impl Patient {
    pub(crate) fn set(&self, condition: Condition) {
        *self.0.lock().unwrap() = condition;
    }

    async fn answer(&self) -> Result<HealthCheckResponse, Status> {
        let condition = *self.0.lock().unwrap();
        match condition {
            Condition::Well => Ok(HealthCheckResponse {
                status: ServingStatus::Serving.into(),
            }),
            Condition::Fails(code) => Err(Status::new(code, "on purpose")),
            Condition::Hangs => pending().await,
        }
    }
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[tonic::async_trait]
impl Health for Patient {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        self.answer().await.map(Response::new)
    }

    /// A stream of one message, whose status is in the trailers.
    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let end = self.answer().await.err();
        let message = HealthCheckResponse {
            status: ServingStatus::Serving.into(),
        };
        let answers = [Ok(message)].into_iter().chain(end.map(Err));
        Ok(Response::new(stream::iter(answers).boxed()))
    }
}

/// Speaks HTTP/2 and answers with whatever it is given, well-formed or not.
pub(crate) async fn scripted<A, F>(answer: A) -> SocketAddr
where
    A: Fn(http::Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = http::Response<Body>> + Send + 'static,
{
    serve_connections(move |stream| {
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let response = answer(request);
            async { Ok::<_, Infallible>(response.await) }
        });
        let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
        async { connection.await.map_err(io::Error::other) }
    })
    .await
}

/// A gRPC message that says "serving".
pub(crate) fn message() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]))
}

pub(crate) fn headers<const N: usize>(headers: [(&'static str, &[u8]); N]) -> HeaderMap {
    let header = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
    headers.into_iter().map(header).collect()
}

/// A response that says all in its head.
pub(crate) fn head_only(status: u16, headers: HeaderMap) -> http::Response<Body> {
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = headers;
    response
}

/// A response with a body of these frames. Like many, it doesn't know that it has ended until it is
/// asked for more.
pub(crate) fn streamed<S>(frames: S) -> http::Response<Body>
where
    S: Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + 'static,
{
    let mut response = http::Response::new(Body::new(StreamBody::new(frames)));
    response
        .headers_mut()
        .extend(headers([("content-type", b"application/grpc")]));
    response
}

/// A message, and a status in the trailers.
pub(crate) fn with_trailers(trailers: HeaderMap) -> http::Response<Body> {
    streamed(stream::iter([Ok(message()), Ok(Frame::trailers(trailers))]))
}

/// How a call with this response is judged, and the code that its caller sees.
pub(crate) async fn judged<B, C, T>(
    layer: CircuitBreakerLayer<B, C>,
    response: http::Response<Body>,
) -> (Option<Outcome>, Code)
where
    CircuitBreakerLayer<B, C>: Layer<Channel, Service = T>,
    T: GrpcService<Body>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<BoxError> + Send,
{
    let response = Arc::new(Mutex::new(Some(response)));
    let address = scripted(move |_| ready(response.lock().unwrap().take().expect("one call"))).await;
    let code = code_of(layer.layer(channel(address))).await;
    let outcome = match tally(layer.breaker()) {
        [1, 0, 0, 0] => Some(Outcome::Success),
        [0, 1, 0, 0] => Some(Outcome::Failure),
        [0, 0, 1, 0] => Some(Outcome::Ignored),
        _ => None,
    };
    (outcome, code)
}
