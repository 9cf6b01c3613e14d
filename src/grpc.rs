//! gRPC on the wire: its failures hide in headers and trailers.
//!
//! ```
//! use std::time::Duration;
//! use tower_breaker::{CircuitBreakerLayer, grpc};
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

use std::fmt;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;

use crate::{
    Answer, CircuitOpen, Classify, Outcome, Permit,
    http::{Latency, Verdict, WatchedBody, pause_asked_for, watched},
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
        let number = value.to_str().ok().and_then(|text| text.parse::<usize>().ok());
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
/// others are successes. An HTTP status other than 200 with no gRPC status (as a proxy in front of the service sends) is a failure, and so is a
/// stream that ends with no status at all.
///
/// Latency counts to the head of the response, unless told otherwise.
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
            if let Some(pause) = pushback(response.headers()).or_else(|| pause_asked_for(response.headers())) {
                permit.retry_after(pause);
            }
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

    fn error(&self, _: &Err, permit: Permit) {
        permit.record(Outcome::Failure);
    }

    fn is_failure(&self, result: Result<&Response<B>, &Err>) -> bool {
        result.map_or(true, |response| self.head(response) == Some(Outcome::Failure))
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
    fn trailers(&mut self, trailers: &HeaderMap) {
        self.code = Code::from_headers(trailers).or(self.code);
    }

    fn end(&self) -> Outcome {
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

/// How long a server asks to be left alone (gRFC A6). Negative or unreadable: it says "don't retry", which is no time.
fn pushback(headers: &HeaderMap) -> Option<std::time::Duration> {
    let millis = headers.get(PUSHBACK)?.to_str().ok()?.parse().ok()?;
    Some(std::time::Duration::from_millis(millis))
}

const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Answers refused calls with UNAVAILABLE, in headers only, and a `grpc-retry-pushback-ms` from the time that the breaker is still
/// open: see [`Builder::respond`](crate::Builder::respond). Any body that has a default will do, as tonic's.
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
