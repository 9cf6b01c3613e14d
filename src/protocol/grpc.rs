//! gRPC on the wire: its failures hide in headers and trailers.
//!
//! ```
//! use std::time::Duration;
//! use tower_breaker::{CircuitBreakerLayer, protocol::grpc};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let layer = CircuitBreakerLayer::builder()
//!     .name("inventory")
//!     .slow_after(Duration::from_millis(500))
//!     .classify(grpc::ByGrpcStatus::new())
//!     .respond(grpc::Unavailable)  // while open: UNAVAILABLE, with a hint when to come back
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # With tonic
//!
//! The layer goes around a client's channel, or around a server's service, whose name and routing tonic's `named_layer` keeps:
//!
//! ```
//! use tonic::{service::LayerExt, transport::{Channel, Server}};
//! use tonic_health::{pb::health_client::HealthClient, server::health_reporter};
//! use tower::ServiceBuilder;
//! use tower_breaker::{CircuitBreakerLayer, protocol::grpc};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_breaker::ConfigError> {
//! # let layer = CircuitBreakerLayer::builder().classify(grpc::ByGrpcStatus::new()).respond(grpc::Unavailable).build()?;
//! # let channel = Channel::from_static("http://localhost:50051").connect_lazy();
//! let client = HealthClient::new(ServiceBuilder::new().layer(layer).service(channel));
//! # let layer = CircuitBreakerLayer::builder().classify(grpc::ByGrpcStatus::new()).respond(grpc::Unavailable).build()?;
//! # let (_, service) = health_reporter();
//! let server = Server::builder().add_service(layer.named_layer(service));
//! # Ok(())
//! # }
//! ```
//!
//! `Server::builder().layer(layer)` guards all services at once, the health checks among them.
//!
//! To tonic's clients, [`Reject`](crate::on_open::Reject) with a `BoxError` is UNKNOWN. This makes it UNAVAILABLE, and the outer box keeps the
//! client's futures `Send`:
//!
//! ```
//! # use tonic::{Status, transport::Channel};
//! # use tonic_health::pb::health_client::HealthClient;
//! use tower::{BoxError, ServiceBuilder, util::BoxCloneSyncService};
//! use tower_breaker::{CircuitBreakerLayer, CircuitOpen, protocol::grpc};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_breaker::ConfigError> {
//! # let channel = Channel::from_static("http://localhost:50051").connect_lazy();
//! let layer = CircuitBreakerLayer::builder().classify(grpc::ByGrpcStatus::new()).build()?;
//! let client = HealthClient::new(BoxCloneSyncService::new(
//!     ServiceBuilder::new()
//!         .map_err(|error: BoxError| match error.downcast::<CircuitOpen>() {
//!             Ok(open) => Status::unavailable(open.to_string()),
//!             Err(error) => Status::from_error(error),
//!         })
//!         .layer(layer)
//!         .map_err(BoxError::from)
//!         .service(channel),
//! ));
//! # Ok(())
//! # }
//! ```

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;

pub use crate::protocol::http::Latency;
use crate::{
    breaker::Permit,
    classify::Classify,
    error::CircuitOpen,
    machine::Outcome,
    on_open::Answer,
    protocol::http::{Verdict, WatchedBody, pause_asked_for, watched},
};

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code in these headers or trailers. One that can't be read is [`Unknown`](Self::Unknown), as the specification has it.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get("grpc-status")?;
        // Digits only: `parse` alone would take "+0" for OK.
        let digits = value.to_str().ok().filter(|text| !text.starts_with('+'));
        let number = digits.and_then(|text| text.parse::<usize>().ok());
        Some(
            number
                .and_then(|number| Self::ALL.get(number).copied())
                .unwrap_or(Self::Unknown),
        )
    }
}

/// Classifies by the gRPC status, in the headers or at the end of the stream.
///
/// UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE and DATA_LOSS are failures; CANCELLED says nothing; the
/// others are successes. An HTTP status other than 200 with no gRPC status (as a proxy in front of the service sends) is a failure. So are
/// errors, a stream that breaks, and one that ends with no status at all.
///
/// Latency counts to the head of the response, unless told [otherwise](Self::latency). A stream that its reader drops is a
/// cancelled call.
///
/// gRPC-Web hides its trailers in the body, where this doesn't look: on a server, the layer goes below the one that translates.
#[derive(Clone)]
pub struct ByGrpcStatus<F = fn(Code) -> Outcome> {
    judge: F,
    latency: Latency,
}

fn by_code(code: Code) -> Outcome {
    match code {
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Outcome::Failure,
        Code::Cancelled => Outcome::Ignored,
        _ => Outcome::Success,
    }
}

impl ByGrpcStatus {
    /// The usual codes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            judge: by_code,
            latency: Latency::ToHead,
        }
    }
}

impl Default for ByGrpcStatus {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> ByGrpcStatus<F>
where
    F: Fn(Code) -> Outcome + Clone,
{
    /// Any mapping.
    #[must_use]
    pub fn with(judge: F) -> Self {
        Self {
            judge,
            latency: Latency::ToHead,
        }
    }

    /// Up to when latency counts.
    #[must_use]
    pub fn latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }

    /// The outcome, where the head tells.
    fn head<B>(&self, response: &Response<B>) -> Option<Outcome> {
        match Code::from_headers(response.headers()) {
            Some(code) => Some((self.judge)(code)),
            None => (response.status() != StatusCode::OK).then_some(Outcome::Failure),
        }
    }
}

impl<F, Req, B, Err> Classify<Req, Response<B>, Err> for ByGrpcStatus<F>
where
    F: Fn(Code) -> Outcome + Clone,
    B: Body,
{
    type Response = Response<WatchedBody<B, ByTrailers<F>>>;

    fn response(&self, response: Response<B>, mut permit: Permit) -> Self::Response {
        let outcome = self.head(&response);
        if outcome == Some(Outcome::Failure) {
            heed_pushback(response.headers(), &mut permit);
        }
        let Some(outcome) = outcome else {
            let verdict = ByTrailers {
                judge: self.judge.clone(),
                code: None,
            };
            return response.map(|body| watched(body, permit, verdict, self.latency));
        };
        permit.record(outcome);
        response.map(WatchedBody::unwatched)
    }

    fn is_failure(&self, result: Result<&Response<B>, &Err>) -> bool {
        result.map_or(true, |response| self.head(response) == Some(Outcome::Failure))
    }

    fn failing_over(&self, result: Result<&Response<B>, &Err>, mut permit: Permit) {
        if let Ok(response) = result {
            heed_pushback(response.headers(), &mut permit);
        }
        permit.record(Outcome::Failure);
    }
}

impl<F> fmt::Debug for ByGrpcStatus<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByGrpcStatus")
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

/// Judges a stream by the status in its trailers.
#[derive(Clone)]
pub struct ByTrailers<F> {
    judge: F,
    code: Option<Code>,
}

impl<F: Fn(Code) -> Outcome> Verdict for ByTrailers<F> {
    fn trailers(&mut self, trailers: &HeaderMap, permit: &mut Permit) {
        self.code = Code::from_headers(trailers);
        if self.end() == Outcome::Failure {
            heed_pushback(trailers, permit);
        }
    }

    fn end(&mut self) -> Outcome {
        self.code.map_or(Outcome::Failure, &self.judge)
    }
}

impl<F> fmt::Debug for ByTrailers<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByTrailers")
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

fn heed_pushback(headers: &HeaderMap, permit: &mut Permit) {
    if let Some(pause) = pushback(headers).or_else(|| pause_asked_for(headers)) {
        permit.retry_after(pause);
    }
}

/// How long a server asks to be left alone (gRFC A6). Negative or unreadable: it says "don't retry", which is no time.
fn pushback(headers: &HeaderMap) -> Option<Duration> {
    let millis = headers.get(PUSHBACK)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Answers refused calls with UNAVAILABLE, in headers only, and a `grpc-retry-pushback-ms` from the time that the breaker is still
/// open: see [`CircuitBreakerLayerBuilder::respond`](crate::layer::CircuitBreakerLayerBuilder::respond). Any body that has a default will do, as tonic's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unavailable;

impl<Req, B: Default> Answer<Req, Response<B>> for Unavailable {
    fn answer(&self, _: Req, open: CircuitOpen) -> Response<B> {
        let mut response = Response::new(B::default());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from(Code::Unavailable as u16));
        headers.insert("grpc-message", HeaderValue::from_static("the circuit breaker is open"));
        if let Some(pause) = open.retry_after() {
            let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            headers.insert(PUSHBACK, HeaderValue::from(millis));
        }
        response
    }
}
