//! Routes a request to the page or to the API.
//!
//! The API is whatever follows `/api/` in the path; the console works wherever it is mounted.
//! `openapi.json`, beside this file, describes each resource, and a test holds the answers to it.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use ::http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_SECURITY_POLICY};
use http_body::Body;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    Shared,
    access::authorize,
    body::{ConsoleBody, Unreadable, read},
    configure, operate,
    response::{Problem, json, with_headers},
    stream::{EventStream, TooManyReaders},
};

const PAGE: &str = include_str!("page.html");
const API: &str = include_str!("openapi.json");
/// The placeholder of the nonce in the page.
const NONCE: &str = "{{nonce}}";

/// The longest body that is read, in bytes.
const LONGEST_BODY: usize = 64 * 1024;
/// The longest time that a body may take to arrive.
const SLOWEST_BODY: Duration = Duration::from_secs(10);

/// Answers a request. What stands before `/api/` in the path is ignored.
pub(super) async fn answer<B>(shared: &Shared, request: Request<B>) -> Response<ConsoleBody>
where
    B: Body + Send,
    B::Data: Send,
{
    let path = request.uri().path().to_owned();
    let response = match path.rsplit_once("/api/") {
        Some((_, resource)) => api(shared, resource, request).await,
        None if *request.method() == Method::GET || *request.method() == Method::HEAD => Ok(page(shared)),
        None => Err(Problem::method("GET, HEAD")),
    };
    response.unwrap_or_else(|problem| problem.response())
}

async fn api<B>(shared: &Shared, resource: &str, request: Request<B>) -> Result<Response<ConsoleBody>, Problem>
where
    B: Body + Send,
    B::Data: Send,
{
    match resource.split('/').collect::<Vec<_>>().as_slice() {
        ["breakers"] => {
            allow(&request, &Method::GET)?;
            let text = shared.sampler.everything_as_json();
            Ok(with_headers(StatusCode::OK, "application/json", text.into()))
        }
        ["breakers", name] => {
            allow(&request, &Method::GET)?;
            let breaker = operate::find_breaker(shared, &decoded(name)?)?;
            Ok(json(StatusCode::OK, &shared.sampler.detail(&breaker)))
        }
        ["breakers", name, "config"] => {
            allow(&request, &Method::PUT)?;
            let name = decoded(name)?;
            let (parts, body) = request.into_parts();
            let identity = authorize(shared, &parts)?;
            let request = parsed(body).await?;
            let changed = configure::configure(shared, &name, &request, &identity)?;
            Ok(json(StatusCode::OK, &changed))
        }
        ["operations"] => {
            allow(&request, &Method::POST)?;
            let (parts, body) = request.into_parts();
            let identity = authorize(shared, &parts)?;
            let request = parsed(body).await?;
            let done = operate::operate(shared, &request, &identity)?;
            Ok(json(StatusCode::OK, &done))
        }
        ["events"] => {
            allow(&request, &Method::GET)?;
            let stream = EventStream::open(&shared.sampler)?;
            Ok(with_headers(
                StatusCode::OK,
                "text/event-stream",
                ConsoleBody::stream(stream),
            ))
        }
        ["openapi.json"] => {
            allow(&request, &Method::GET)?;
            Ok(with_headers(StatusCode::OK, "application/json", API.into()))
        }
        _ => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such resource")),
    }
}

impl From<TooManyReaders> for Problem {
    fn from(error: TooManyReaders) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

/// Checks the method of a request.
fn allow<B>(request: &Request<B>, method: &Method) -> Result<(), Problem> {
    if request.method() == method {
        return Ok(());
    }
    Err(Problem::method(match *method {
        Method::GET => "GET",
        Method::PUT => "PUT",
        _ => "POST",
    }))
}

/// Returns the page, with a nonce of its own, so that no other script runs.
fn page(shared: &Shared) -> Response<ConsoleBody> {
    let nonce = format!(
        "{:016x}{:016x}",
        RandomState::new().hash_one(0),
        RandomState::new().hash_one(1)
    );
    let text = PAGE.replace(NONCE, &nonce).replace(
        "{{read_only}}",
        if shared.authorize.is_none() { "true" } else { "false" },
    );
    let mut response = with_headers(StatusCode::OK, "text/html; charset=utf-8", text.into());
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Reads a body, and parses it as JSON.
async fn parsed<B: Body, T: DeserializeOwned>(body: B) -> Result<T, Problem> {
    let body = match timeout(SLOWEST_BODY, read(body, LONGEST_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(Unreadable::TooLong)) => {
            let reason = format!("the body is longer than {LONGEST_BODY} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, reason));
        }
        Ok(Err(Unreadable::Incomplete)) => return Err(Problem::new(StatusCode::BAD_REQUEST, "the body is incomplete")),
        Err(_) => {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body took too long to arrive",
            ));
        }
    };
    serde_json::from_slice(&body).map_err(|error| {
        let status = if error.is_data() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::BAD_REQUEST
        };
        Problem::new(status, error.to_string())
    })
}

/// Decodes a name from a path, where it is percent-encoded.
fn decoded(name: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        match first {
            b'%' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(byte.ok_or_else(|| Problem::unknown_breaker(name))?);
                rest = &rest[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| Problem::unknown_breaker(name))
}
