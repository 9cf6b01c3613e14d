//! The gateway's own answers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use tower::BoxError;

use crate::upstream::{Body, TimedOut};

pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// Returns the answer for a request that failed and couldn't be sent to another instance.
pub(crate) fn failed(error: &BoxError) -> Response<Body> {
    if error.is::<TimedOut>() {
        plain(StatusCode::GATEWAY_TIMEOUT, "the instance didn't answer in time")
    } else {
        plain(StatusCode::BAD_GATEWAY, "the instance didn't answer")
    }
}
