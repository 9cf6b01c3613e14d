//! Access to operations: decides whether a request may change a breaker, and who asks.
//!
//! Three checks stand before a change. The console must have an authorization hook. A browser must
//! not have sent the request from another site's page. And the hook must return the caller's
//! [`Identity`]. Requests that only read aren't checked here: the server around the console decides
//! who may read.

use std::sync::Arc;

use ::http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, HOST, ORIGIN, WWW_AUTHENTICATE},
    request::Parts,
};

use super::{Shared, response::Problem};

/// An operator's identity. It appears in the events, beside the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(Arc<str>);

/// A refusal of the authorization hook: a status and a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    status: StatusCode,
    reason: Arc<str>,
    challenge: Option<HeaderValue>,
}

/// A function that returns who sends a request, or why the request is denied.
pub(super) type AuthorizeHook = Box<dyn Fn(&Parts) -> Result<Identity, Denied> + Send + Sync>;

impl Identity {
    /// Makes an identity of this name, cut to its first 100 characters.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(name.as_ref().chars().take(100).collect::<String>().into())
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Denied {
    /// Denies a caller that hasn't authenticated: status 401. The reason is shown to the caller.
    ///
    /// A browser then asks its user for a name and a password, and sends them as `Authorization`,
    /// unless [another challenge](Self::challenge) is given.
    pub fn unauthenticated(reason: impl Into<Arc<str>>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            reason: reason.into(),
            challenge: Some(HeaderValue::from_static("Basic realm=\"breakers\"")),
        }
    }

    /// Sets the `WWW-Authenticate` header, which tells the caller how to authenticate (RFC 9110,
    /// 11.6.1).
    #[must_use]
    pub fn challenge(mut self, challenge: HeaderValue) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Denies a caller that has authenticated, but isn't allowed to operate: status 403. The reason
    /// is shown to the caller.
    pub fn forbidden(reason: impl Into<Arc<str>>) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            reason: reason.into(),
            challenge: None,
        }
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Returns who asks for a change, or why the change may not be made.
pub(super) fn authorize(shared: &Shared, request: &Parts) -> Result<Identity, Problem> {
    let Some(hook) = &shared.authorize else {
        let reason = "this console is read-only: it has no authorization hook";
        return Err(Problem::new(StatusCode::FORBIDDEN, reason));
    };
    if !is_from_own_page(request) {
        let reason = "the request comes from another site's page";
        return Err(Problem::new(StatusCode::FORBIDDEN, reason));
    }
    // A browser sends this type from another site's page only if the server agrees beforehand.
    let is_json = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = is_json.and_then(|value| value.split(';').next());
    if !is_json.is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json")) {
        let reason = "the content type must be application/json";
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

/// Returns whether the request comes from the console's own page, or from no browser.
///
/// Browsers send `Sec-Fetch-Site` or `Origin`; a request with neither comes from another kind of
/// client.
fn is_from_own_page(request: &Parts) -> bool {
    let headers = &request.headers;
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return false;
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    // HTTP/2 has the host in the URI.
    let authority = request.uri.authority().map(::http::uri::Authority::as_str);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or(authority);
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match (host, origin) {
        (Some(host), Some((_, origin))) => host.eq_ignore_ascii_case(origin),
        _ => site.is_some(),
    }
}
