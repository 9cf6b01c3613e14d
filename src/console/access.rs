use std::sync::Arc;

use ::http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, HOST, ORIGIN, WWW_AUTHENTICATE},
    request::Parts,
};

use super::{Shared, answer::Problem};

/// Who operates a breaker. It stands in the events, beside the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(Arc<str>);

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    status: StatusCode,
    reason: Arc<str>,
    challenge: Option<HeaderValue>,
}

pub(super) type Hook = Box<dyn Fn(&Parts) -> Result<Identity, Denied> + Send + Sync>;

impl Identity {
    /// Of this name; its first 100 characters.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(name.as_ref().chars().take(100).collect::<String>().into())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Denied {
    /// Nobody knows who is asking: 401. The reason is shown. A browser asks its user for a name and a password then, and sends them as `Authorization`, unless
    /// [another challenge](Self::challenge) is given.
    pub fn unauthenticated(reason: impl Into<Arc<str>>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            reason: reason.into(),
            challenge: Some(HeaderValue::from_static("Basic realm=\"breakers\"")),
        }
    }

    /// How whoever is asking can say who they are, as `WWW-Authenticate` has it (RFC 9110, 11.6.1).
    #[must_use]
    pub fn challenge(mut self, challenge: HeaderValue) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// It is known who is asking, and it may not be: 403. The reason is shown.
    pub fn forbidden(reason: impl Into<Arc<str>>) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            reason: reason.into(),
            challenge: None,
        }
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who is asking for a change, if it may be made.
pub(super) fn authorize(shared: &Shared, request: &Parts) -> Result<Identity, Problem> {
    let Some(hook) = &shared.hook else {
        let reason = "this console only shows: it was given nobody to ask who may operate it";
        return Err(Problem::new(StatusCode::FORBIDDEN, reason));
    };
    if !is_from_own_page(request) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "another site's page asks for this"));
    }
    // A page of another site can't send this type without asking first.
    let is_json = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = is_json.and_then(|value| value.split(';').next());
    if !is_json.is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json")) {
        let reason = "the content type has to be application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    }
    hook(request).map_err(|denied| {
        let Denied {
            status,
            reason,
            challenge,
        } = denied;
        let problem = Problem::new(status, reason.to_string());
        match challenge {
            Some(challenge) => problem.with(WWW_AUTHENTICATE, challenge),
            None => problem,
        }
    })
}

/// Browsers say where a request comes from; what says nothing is no browser.
fn is_from_own_page(request: &Parts) -> bool {
    let headers = &request.headers;
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return false;
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    // In HTTP/2 it stands in the URI.
    let authority = request.uri.authority().map(::http::uri::Authority::as_str);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or(authority);
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match (host, origin) {
        (Some(host), Some((_, origin))) => host.eq_ignore_ascii_case(origin),
        _ => site.is_some(),
    }
}
