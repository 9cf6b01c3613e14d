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

/// Why a request isn't answered as asked.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    reason: Cow<'static, str>,
    header: Option<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Said<'a> {
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

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(super) fn method(allow: &'static str) -> Self {
        let reason = format!("only {allow} is answered here");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, reason).with(ALLOW, HeaderValue::from_static(allow))
    }

    pub(super) fn unknown_breaker(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no breaker {name:?}"))
    }

    pub(super) fn response(&self) -> Response<ConsoleBody> {
        let mut response = json(self.status, &Said { error: &self.reason });
        if let Some((name, value)) = &self.header {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<ConsoleBody> {
    let text = serde_json::to_vec(value).unwrap_or_default();
    whole(status, "application/json", text.into())
}

/// Nothing is kept, and nothing is shown within another site's page.
pub(super) fn whole(status: StatusCode, kind: &'static str, body: ConsoleBody) -> Response<ConsoleBody> {
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
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
