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
    answer::{Problem, json, whole},
    body::{ConsoleBody, Unreadable, read},
    configure, operate,
    stream::EventStream,
};

const PAGE: &str = include_str!("page.html");
const API: &str = include_str!("openapi.json");
/// Where the page's script has its nonce.
const NONCE: &str = "{{nonce}}";

/// A change that takes more than this is none.
const LONGEST_BODY: usize = 64 * 1024;
const SLOWEST_BODY: Duration = Duration::from_secs(10);

/// Answers wherever it is mounted: what comes before `/api/` in the path is no concern of it.
pub(super) async fn answer<B>(shared: &Shared, request: Request<B>) -> Response<ConsoleBody>
where
    B: Body + Send,
    B::Data: Send,
{
    let path = request.uri().path().to_owned();
    let answered = match path.rsplit_once("/api/") {
        Some((_, resource)) => api(shared, resource, request).await,
        None if *request.method() == Method::GET || *request.method() == Method::HEAD => Ok(page(shared)),
        None => Err(Problem::method("GET, HEAD")),
    };
    answered.unwrap_or_else(|problem| problem.response())
}

async fn api<B>(shared: &Shared, resource: &str, request: Request<B>) -> Result<Response<ConsoleBody>, Problem>
where
    B: Body + Send,
    B::Data: Send,
{
    match resource.split('/').collect::<Vec<_>>().as_slice() {
        ["breakers"] => {
            allow(&request, &Method::GET)?;
            let text = shared.sampler.all_as_json();
            Ok(whole(StatusCode::OK, "application/json", text.into()))
        }
        ["breakers", name] => {
            allow(&request, &Method::GET)?;
            let breaker = operate::find(shared, &decoded(name)?)?;
            Ok(json(StatusCode::OK, &shared.sampler.detail(&breaker)))
        }
        ["breakers", name, "config"] => {
            allow(&request, &Method::PUT)?;
            let name = decoded(name)?;
            let (parts, body) = request.into_parts();
            let who = authorize(shared, &parts)?;
            let asked = parsed(body).await?;
            let changed = configure::configure(shared, &name, &asked, &who)?;
            Ok(json(StatusCode::OK, &changed))
        }
        ["operations"] => {
            allow(&request, &Method::POST)?;
            let (parts, body) = request.into_parts();
            let who = authorize(shared, &parts)?;
            let asked = parsed(body).await?;
            let done = operate::operate(shared, &asked, &who)?;
            Ok(json(StatusCode::OK, &done))
        }
        ["events"] => {
            allow(&request, &Method::GET)?;
            let stream = EventStream::open(&shared.sampler)?;
            Ok(whole(StatusCode::OK, "text/event-stream", ConsoleBody::stream(stream)))
        }
        ["openapi.json"] => {
            allow(&request, &Method::GET)?;
            Ok(whole(StatusCode::OK, "application/json", API.into()))
        }
        _ => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such resource")),
    }
}

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

/// With a nonce of its own, so that no other script runs.
fn page(shared: &Shared) -> Response<ConsoleBody> {
    let nonce = format!(
        "{:016x}{:016x}",
        RandomState::new().hash_one(0),
        RandomState::new().hash_one(1)
    );
    let text = PAGE
        .replace(NONCE, &nonce)
        .replace("{{read_only}}", if shared.hook.is_none() { "true" } else { "false" });
    let mut response = whole(StatusCode::OK, "text/html; charset=utf-8", text.into());
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

async fn parsed<B: Body, T: DeserializeOwned>(body: B) -> Result<T, Problem> {
    let body = match timeout(SLOWEST_BODY, read(body, LONGEST_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(Unreadable::TooLong)) => {
            let reason = format!("more than {LONGEST_BODY} bytes are not read");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, reason));
        }
        Ok(Err(Unreadable::Broken)) => return Err(Problem::new(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
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

/// A name as it is in a path.
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
