//! gRPC: classifies by the status in headers or trailers, and answers refused calls.
//!
//! To Tower and to HTTP, a failed gRPC call is a success: the status stands in a header or, after
//! the messages, in a trailer.
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
//! The layer goes around a client's channel, or around a server's service. There, tonic's
//! `named_layer` keeps the name and the routing:
//!
//! ```
//! use tonic::{service::LayerExt, transport::{Channel, Server}};
//! use tonic_health::{pb::health_client::HealthClient, server::health_reporter};
//! use tower::ServiceBuilder;
//! use tower_breaker::{CircuitBreakerLayer, protocol::grpc};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_breaker::ConfigError> {
//! # let layer = CircuitBreakerLayer::builder()
//! #     .classify(grpc::ByGrpcStatus::new())
//! #     .respond(grpc::Unavailable)
//! #     .build()?;
//! # let channel = Channel::from_static("http://localhost:50051").connect_lazy();
//! let client = HealthClient::new(ServiceBuilder::new().layer(layer).service(channel));
//! # let layer = CircuitBreakerLayer::builder()
//! #     .classify(grpc::ByGrpcStatus::new())
//! #     .respond(grpc::Unavailable)
//! #     .build()?;
//! # let (_, service) = health_reporter();
//! let server = Server::builder().add_service(layer.named_layer(service));
//! # Ok(())
//! # }
//! ```
//!
//! `Server::builder().layer(layer)` guards all services at once, including the health checks.
//!
//! Without an answer, the layer's error is a `BoxError`, which tonic's clients see as UNKNOWN (see
//! [`Reject`](crate::on_open::Reject)). This makes it UNAVAILABLE, and the outer box keeps the
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
    protocol::http::{ClassifyEndOfStream, WatchedBody, requested_pause, sealed::Sealed},
};

/// A gRPC status code. The specification fixes the list, so it is exhaustive.
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

    /// Returns the code in these headers or trailers, or `None` if there is none.
    ///
    /// A code that can't be read is [`Unknown`](Self::Unknown), as the specification demands.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get("grpc-status")?;
        // `parse` would take "+0" for OK.
        let digits = value.to_str().ok().filter(|text| !text.starts_with('+'));
        let number = digits.and_then(|text| text.parse::<usize>().ok());
        Some(
            number
                .and_then(|number| Self::ALL.get(number).copied())
                .unwrap_or(Self::Unknown),
        )
    }
}

/// A classifier by the gRPC status, in the headers or at the end of the stream.
///
/// - Failures: UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE and DATA_LOSS;
///   an HTTP status other than 200 without a gRPC status, such as from a proxy in front of the
///   service; errors; and streams that break off or end without a status.
/// - Ignored: CANCELLED.
/// - Successes: all other codes.
///
/// Latency ends with the head of the response, unless [`latency`](Self::latency) says otherwise. A
/// stream that its reader drops is a cancelled call.
///
/// gRPC-Web puts its trailers into the body, which this doesn't read. On a server, put the layer
/// below the one that translates.
#[derive(Clone)]
pub struct ByGrpcStatus<F = fn(Code) -> Outcome> {
    classify: F,
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
    /// Returns a classifier for the codes above.
    #[must_use]
    pub fn new() -> Self {
        Self {
            classify: by_code,
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
    /// Returns a classifier that maps each code by a function.
    #[must_use]
    pub fn with_fn(classify: F) -> Self {
        Self {
            classify,
            latency: Latency::ToHead,
        }
    }

    /// Sets what ends the latency of a call. Default: the head of the response.
    #[must_use]
    pub fn latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }

    /// Returns the outcome if the head tells it.
    fn classify_head<B>(&self, response: &Response<B>) -> Option<Outcome> {
        match Code::from_headers(response.headers()) {
            Some(code) => Some((self.classify)(code)),
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
        let outcome = self.classify_head(&response);
        if outcome == Some(Outcome::Failure) {
            apply_pushback(response.headers(), &mut permit);
        }
        let Some(outcome) = outcome else {
            let by_trailers = ByTrailers {
                classify: self.classify.clone(),
                code: None,
            };
            return response.map(|body| WatchedBody::new(body, permit, by_trailers, self.latency));
        };
        permit.record(outcome);
        response.map(WatchedBody::recorded)
    }

    fn is_failure(&self, result: Result<&Response<B>, &Err>) -> bool {
        result.map_or(true, |response| self.classify_head(response) == Some(Outcome::Failure))
    }

    fn failing_over(&self, result: Result<&Response<B>, &Err>, mut permit: Permit) {
        if let Ok(response) = result {
            apply_pushback(response.headers(), &mut permit);
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

/// A classifier of one stream by the status in its trailers.
#[derive(Clone)]
pub struct ByTrailers<F> {
    classify: F,
    /// The code in the trailers, once they have been read.
    code: Option<Code>,
}

impl<F: Fn(Code) -> Outcome> ClassifyEndOfStream for ByTrailers<F> {
    fn trailers(&mut self, trailers: &HeaderMap, permit: &mut Permit) {
        self.code = Code::from_headers(trailers);
        if self.end() == Outcome::Failure {
            apply_pushback(trailers, permit);
        }
    }

    fn end(&mut self) -> Outcome {
        self.code.map_or(Outcome::Failure, &self.classify)
    }
}

impl<F> Sealed for ByTrailers<F> {}

impl<F> fmt::Debug for ByTrailers<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByTrailers")
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// Notes on the permit how long the server asks to be left alone, if it does.
fn apply_pushback(headers: &HeaderMap, permit: &mut Permit) {
    if let Some(pause) = pushback(headers).or_else(|| requested_pause(headers)) {
        permit.note_retry_after(pause);
    }
}

/// Returns how long a server asks to be left alone (gRFC A6), or `None` if it doesn't.
///
/// A value that is negative or can't be read means "don't retry", which is no duration.
fn pushback(headers: &HeaderMap) -> Option<Duration> {
    let millis = headers.get(PUSHBACK)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// An answer to refused calls: UNAVAILABLE, in headers only, with a `grpc-retry-pushback-ms` of the
/// time that the breaker stays open.
///
/// Give it to
/// [`CircuitBreakerLayerBuilder::respond`](crate::layer::CircuitBreakerLayerBuilder::respond). Any
/// body that has a default will do, such as tonic's.
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
