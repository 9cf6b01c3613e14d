use std::fmt;

use http::{Method, Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::Body;

use super::{Latency, WatchedBody, body::Known, pause_asked_for, watched};
use crate::{breaker::Permit, classify::Classify, machine::Outcome};

/// Classifies by the response's status: 5xx is a failure, everything else a success, and an error is a failure.
///
/// It decides when the head of the response is there, and latency ends with it; [`at_end`](Self::at_end) waits for the body.
///
/// 408 and 429 count as successes: the client was slow, or asked for too much, and a breaker would not help it. Where the
/// service sends them because it is overloaded, say so with [`overload_as_failure`](Self::overload_as_failure).
#[derive(Clone)]
pub struct ByStatus<F = fn(StatusCode) -> Outcome> {
    judge: F,
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
    /// 5xx is a failure.
    #[must_use]
    pub fn new() -> Self {
        Self { judge: server_errors }
    }

    /// 5xx, 408 and 429 are failures.
    #[must_use]
    pub fn overload_as_failure() -> Self {
        Self {
            judge: server_errors_and_overload,
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
    /// Any mapping.
    ///
    /// ```
    /// use http::StatusCode;
    /// use tower_breaker::{Outcome, protocol::http::ByStatus};
    ///
    /// let classify = ByStatus::with(|status| match status {
    ///     StatusCode::NOT_IMPLEMENTED => Outcome::Success,
    ///     status if status.is_server_error() => Outcome::Failure,
    ///     status if status.is_client_error() => Outcome::Ignored,
    ///     _ => Outcome::Success,
    /// });
    /// ```
    #[must_use]
    pub fn with(judge: F) -> Self {
        Self { judge }
    }

    /// Decides at the end of the body: an error in it is a failure, and one that is dropped early a cancelled call.
    ///
    /// The permit lives in the body. What the body can't change is still decided at the head: a failure, whose body callers like
    /// to drop unread, and an answer that has no body (to `HEAD`, 204, 304).
    #[must_use]
    pub fn at_end(self, latency: Latency) -> ByStatusAtEnd<F> {
        ByStatusAtEnd {
            by: self,
            latency,
            has_body: true,
        }
    }

    /// The outcome as far as the head tells, with what it says of when to come back.
    fn head<B>(&self, response: &Response<B>, permit: &mut Permit) -> Outcome {
        let outcome = (self.judge)(response.status());
        if outcome == Outcome::Failure {
            permit.note_error(&response.status());
            if let Some(pause) = pause_asked_for(response.headers()) {
                permit.retry_after(pause);
            }
        }
        outcome
    }

    fn note_failure<B, Err>(&self, result: Result<&Response<B>, &Err>, mut permit: Permit) {
        let outcome = result.map_or(Outcome::Failure, |response| self.head(response, &mut permit));
        permit.record(outcome);
    }

    fn has_failed<B, Err>(&self, result: Result<&Response<B>, &Err>) -> bool {
        result.map_or(true, |response| (self.judge)(response.status()) == Outcome::Failure)
    }
}

impl<F, Req, B, Err> Classify<Req, Response<B>, Err> for ByStatus<F>
where
    F: Fn(StatusCode) -> Outcome + Clone,
{
    type Response = Response<B>;

    fn response(&self, response: Response<B>, mut permit: Permit) -> Response<B> {
        let outcome = self.head(&response, &mut permit);
        permit.record(outcome);
        response
    }

    fn is_failure(&self, result: Result<&Response<B>, &Err>) -> bool {
        self.has_failed(result)
    }

    fn failing_over(&self, result: Result<&Response<B>, &Err>, permit: Permit) {
        self.note_failure(result, permit);
    }
}

/// As [`ByStatus`], at the end of the body: see [`ByStatus::at_end`].
#[derive(Clone)]
pub struct ByStatusAtEnd<F = fn(StatusCode) -> Outcome> {
    by: ByStatus<F>,
    latency: Latency,
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
        let outcome = self.by.head(&response, &mut permit);
        let length = length(&response);
        let has_body = self.has_body && length != Some(0) && !has_no_body(response.status());
        if has_body && outcome != Outcome::Failure {
            return response.map(|body| watched(body, permit, Known(outcome), self.latency).of_length(length));
        }
        permit.record(outcome);
        response.map(WatchedBody::unwatched)
    }

    fn is_failure(&self, result: Result<&Response<B>, &Err>) -> bool {
        self.by.has_failed(result)
    }

    fn failing_over(&self, result: Result<&Response<B>, &Err>, permit: Permit) {
        self.by.note_failure(result, permit);
    }
}

/// How long the body is, where that is known.
fn length<B: Body>(response: &Response<B>) -> Option<u64> {
    let announced = response.headers().get(CONTENT_LENGTH);
    announced
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .or_else(|| response.body().size_hint().exact())
}

/// RFC 9110, 15.3.5 and 15.4.5.
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
