//! Classifiers by the status of an HTTP response.

use std::fmt;

use http::{Method, Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::Body;

use super::{
    body::{Latency, WatchedBody},
    end_of_stream::KnownOutcome,
    retry_after::requested_pause,
};
use crate::{breaker::Permit, classify::Classify, machine::Outcome};

/// A classifier by the response's status: 5xx and errors are failures, all else is a success.
///
/// The head of the response decides, and latency ends with it. [`at_end`](Self::at_end) waits for
/// the body.
///
/// 408 and 429 count as successes: the client was slow, or asked for too much, and a breaker would
/// not help it. If the service sends them because it is overloaded, use
/// [`overload_as_failure`](Self::overload_as_failure).
#[derive(Clone)]
pub struct ByStatus<F = fn(StatusCode) -> Outcome> {
    classify: F,
}

fn server_errors(status: StatusCode) -> Outcome {
    if status.is_server_error() {
        Outcome::Failure
    } else {
        Outcome::Success
    }
}

fn server_errors_and_overload(status: StatusCode) -> Outcome {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Outcome::Failure,
        _ => server_errors(status),
    }
}

impl ByStatus {
    /// Returns a classifier for which 5xx is a failure.
    #[must_use]
    pub fn new() -> Self {
        Self {
            classify: server_errors,
        }
    }

    /// Returns a classifier for which 5xx, 408 and 429 are failures.
    #[must_use]
    pub fn overload_as_failure() -> Self {
        Self {
            classify: server_errors_and_overload,
        }
    }
}

impl Default for ByStatus {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> ByStatus<F>
where
    F: Fn(StatusCode) -> Outcome + Clone,
{
    /// Returns a classifier that maps each status by a function. Errors are failures.
    ///
    /// ```
    /// use http::StatusCode;
    /// use tower_breaker::{Outcome, protocol::http::ByStatus};
    ///
    /// let classify = ByStatus::with_fn(|status| match status {
    ///     StatusCode::NOT_IMPLEMENTED => Outcome::Success,
    ///     status if status.is_server_error() => Outcome::Failure,
    ///     status if status.is_client_error() => Outcome::Ignored,
    ///     _ => Outcome::Success,
    /// });
    /// ```
    #[must_use]
    pub fn with_fn(classify: F) -> Self {
        Self { classify }
    }

    /// Returns a classifier that decides at the end of the body: an error in the body is a failure,
    /// and a body that is dropped early is a cancelled call.
    ///
    /// `latency` says what ends the call's latency. The head still decides what the body can't
    /// change: a failure, whose body callers often drop unread, and a response without a body (to
    /// `HEAD`, 204, 304).
    #[must_use]
    pub fn at_end(self, latency: Latency) -> ByStatusAtEnd<F> {
        ByStatusAtEnd {
            by_status: self,
            latency,
            has_body: true,
        }
    }

    /// Returns the outcome by the head. Notes a failure on the permit, with the pause that the
    /// service asks for.
    fn classify_head<B>(&self, response: &Response<B>, permit: &mut Permit) -> Outcome {
        let outcome = (self.classify)(response.status());
        if outcome == Outcome::Failure {
            permit.note_error(&response.status());
            if let Some(pause) = requested_pause(response.headers()) {
                permit.note_retry_after(pause);
            }
        }
        outcome
    }

    fn record_failure<B, Err>(&self, result: Result<&Response<B>, &Err>, mut permit: Permit) {
        let outcome = result.map_or(Outcome::Failure, |response| self.classify_head(response, &mut permit));
        permit.record(outcome);
    }

    fn has_failed<B, Err>(&self, result: Result<&Response<B>, &Err>) -> bool {
        result.map_or(true, |response| (self.classify)(response.status()) == Outcome::Failure)
    }
}

impl<F, Req, B, Err> Classify<Req, Response<B>, Err> for ByStatus<F>
where
    F: Fn(StatusCode) -> Outcome + Clone,
{
    type Response = Response<B>;

    fn response(&self, response: Response<B>, mut permit: Permit) -> Response<B> {
        let outcome = self.classify_head(&response, &mut permit);
        permit.record(outcome);
        response
    }

    fn is_failure(&self, result: Result<&Response<B>, &Err>) -> bool {
        self.has_failed(result)
    }

    fn failing_over(&self, result: Result<&Response<B>, &Err>, permit: Permit) {
        self.record_failure(result, permit);
    }
}

/// A classifier like [`ByStatus`], but at the end of the body: see [`ByStatus::at_end`].
#[derive(Clone)]
pub struct ByStatusAtEnd<F = fn(StatusCode) -> Outcome> {
    by_status: ByStatus<F>,
    latency: Latency,
    /// Whether the response to this request has a body: not if the method is `HEAD`.
    has_body: bool,
}

impl<F, Q, B, Err> Classify<Request<Q>, Response<B>, Err> for ByStatusAtEnd<F>
where
    F: Fn(StatusCode) -> Outcome + Clone,
    B: Body,
{
    type Response = Response<WatchedBody<B>>;

    fn begin(&self, request: &Request<Q>) -> Self {
        Self {
            has_body: request.method() != Method::HEAD,
            ..self.clone()
        }
    }

    fn response(&self, response: Response<B>, mut permit: Permit) -> Self::Response {
        let outcome = self.by_status.classify_head(&response, &mut permit);
        let length = body_length(&response);
        let has_body = self.has_body && length != Some(0) && !has_no_body(response.status());
        if has_body && outcome != Outcome::Failure {
            return response
                .map(|body| WatchedBody::new(body, permit, KnownOutcome(outcome), self.latency).with_length(length));
        }
        permit.record(outcome);
        response.map(WatchedBody::recorded)
    }

    fn is_failure(&self, result: Result<&Response<B>, &Err>) -> bool {
        self.by_status.has_failed(result)
    }

    fn failing_over(&self, result: Result<&Response<B>, &Err>, permit: Permit) {
        self.by_status.record_failure(result, permit);
    }
}

/// Returns the length of the body in bytes, if it is known.
fn body_length<B: Body>(response: &Response<B>) -> Option<u64> {
    let announced = response.headers().get(CONTENT_LENGTH);
    announced
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .or_else(|| response.body().size_hint().exact())
}

/// Returns whether responses with this status have no body (RFC 9110, 15.3.5 and 15.4.5).
fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

impl<F> fmt::Debug for ByStatus<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByStatus").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for ByStatusAtEnd<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByStatusAtEnd")
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}
