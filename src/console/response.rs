//! Responses of the console: JSON, pages, and problems.
//!
//! Every response has the same headers of safety: it isn't cached, sniffed or framed, and loads
//! nothing.

use std::borrow::Cow;

use ::http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    },
};
use serde::Serialize;

use super::body::ConsoleBody;

/// A reason why a request failed, with its status.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    reason: Cow<'static, str>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// The JSON body of a [`Problem`].
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
}

impl Problem {
    pub(super) fn new(status: StatusCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            reason: reason.into(),
            header: None,
        }
    }

    /// Adds a header to the response.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// Makes the problem of a method that the resource doesn't support.
    pub(super) fn method(allow: &'static str) -> Self {
        let reason = format!("the method must be {allow}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, reason).with(ALLOW, HeaderValue::from_static(allow))
    }

    pub(super) fn unknown_breaker(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no breaker {name:?}"))
    }

    pub(super) fn response(&self) -> Response<ConsoleBody> {
        let mut response = json(self.status, &ErrorBody { error: &self.reason });
        if let Some((name, value)) = &self.header {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }
}

/// Makes a response of a value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<ConsoleBody> {
    let text = serde_json::to_vec(value).unwrap_or_default();
    with_headers(status, "application/json", text.into())
}

/// Makes a response of this content type, with the headers that all responses have.
pub(super) fn with_headers(status: StatusCode, content_type: &'static str, body: ConsoleBody) -> Response<ConsoleBody> {
    const HEADERS: [(HeaderName, HeaderValue); 5] = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        ),
    ];
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().extend(HEADERS);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
