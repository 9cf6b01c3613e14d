//! The answer to refused calls: 503 with a `Retry-After`.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

use super::retry_after;
use crate::{error::CircuitOpen, machine::ConfigError, on_open::Answer};

/// An answer to refused calls: 503 with a `Retry-After` of the time that the breaker stays open.
///
/// Give it to
/// [`CircuitBreakerLayerBuilder::respond`](crate::layer::CircuitBreakerLayerBuilder::respond). It
/// makes any body that is `From<Bytes>`, such as axum's. For others, map the
/// [`response`](Self::response):
///
/// ```
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::{BodyExt, Full, combinators::BoxBody};
/// use tower_breaker::{CircuitBreakerLayer, CircuitOpen, protocol::http::Unavailable};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let busy = Unavailable::new();
/// let layer = CircuitBreakerLayer::builder()
///     .respond(move |_: Request<()>, open: CircuitOpen| {
///         busy.response(&open).map(|text| Full::new(text).boxed())
///     })
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Unavailable {
    headers: HeaderMap,
    body: Bytes,
}

impl Unavailable {
    /// Returns an answer with a short text in plain English.
    #[must_use]
    pub fn new() -> Self {
        Self {
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))]),
            body: Bytes::from_static(b"The service is unavailable. Please try again later.\n"),
        }
    }

    /// Returns a builder of an answer with another body and other headers.
    pub fn builder() -> UnavailableBuilder {
        UnavailableBuilder {
            answer: Self {
                headers: HeaderMap::new(),
                body: Bytes::new(),
            },
            error: None,
        }
    }

    /// Returns the response to a call that was refused with this error.
    #[must_use]
    pub fn response(&self, open: &CircuitOpen) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().extend(self.headers.clone());
        if let Some(Ok(pause)) = open.retry_after().map(retry_after::header) {
            response.headers_mut().insert(RETRY_AFTER, pause);
        }
        response
    }
}

impl Default for Unavailable {
    fn default() -> Self {
        Self::new()
    }
}

impl<Req, B: From<Bytes>> Answer<Req, Response<B>> for Unavailable {
    fn answer(&self, _: Req, open: CircuitOpen) -> Response<B> {
        self.response(&open).map(B::from)
    }
}

/// A builder of an [`Unavailable`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct UnavailableBuilder {
    answer: Unavailable,
    /// The first invalid header.
    error: Option<ConfigError>,
}

impl UnavailableBuilder {
    /// Sets the body, as it is sent. Default: empty.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.answer.body = body.into();
        self
    }

    /// Adds a header. The breaker's own `Retry-After` takes precedence, if it has one.
    ///
    /// An invalid header is reported by [`build`](Self::build).
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                self.answer.headers.append(name, value);
            }
            (Err(_), _) => self.refuse("unavailable.header_name", name, "a header name (RFC 9110, 5.1)"),
            (_, Err(_)) => self.refuse("unavailable.header_value", value, "visible ASCII, spaces and tabs"),
        }
        self
    }

    /// Builds the answer.
    ///
    /// # Errors
    ///
    /// Returns an error for the first header that is invalid.
    pub fn build(self) -> Result<Unavailable, ConfigError> {
        self.error.map_or(Ok(self.answer), Err)
    }

    fn refuse(&mut self, field: &'static str, value: &str, accepted: &'static str) {
        self.error
            .get_or_insert_with(|| ConfigError::out_of_range(field, format!("{value:?}"), accepted));
    }
}
