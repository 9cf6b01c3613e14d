//! Rewrites the headers of forwarded messages (RFC 9110, section 7.6).

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
        UPGRADE, VIA,
    },
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers for one connection only, even if `Connection` doesn't name them.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Prepares a request for the instance.
pub(crate) fn forward_request<B>(request: &mut Request<B>, client: IpAddr) {
    let version = request.version();
    let host = host_of(request);
    let headers = request.headers_mut();
    let takes_trailers = lists(headers, &TE, "trailers");
    strip_hop_by_hop(headers);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    // The client to the instance sets this from the body.
    headers.remove(CONTENT_LENGTH);
    append(headers, X_FORWARDED_FOR, &client.to_string());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    if let Some(host) = host {
        headers.insert(X_FORWARDED_HOST, host);
    }
    // The client to the instance sets this from the address.
    headers.remove(HOST);
    append(headers, VIA, via(version));
    *request.version_mut() = Version::HTTP_11;
}

/// Prepares a response for the gateway's client.
pub(crate) fn forward_response<B>(response: &mut Response<B>) {
    let version = response.version();
    let headers = response.headers_mut();
    if headers.contains_key(TRANSFER_ENCODING) {
        // The chunks determine the length (RFC 9112, section 6.3).
        headers.remove(CONTENT_LENGTH);
    }
    strip_hop_by_hop(headers);
    append(headers, VIA, via(version));
    // The connection to the client has its own version.
    *response.version_mut() = Version::HTTP_11;
}

/// Returns whether a request has exactly one host, as HTTP/1.1 demands (RFC 9112, section 3.2).
pub(crate) fn has_one_host<B>(request: &Request<B>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || hosts == 0 && request.version() != Version::HTTP_11
}

/// Returns whether the transfer coding is `chunked` or none. The proxy would drop any other coding
/// from the headers and leave the body coded.
pub(crate) fn is_known_encoding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

/// Returns the requested host. The URI takes precedence over `Host` (RFC 9112, section 3.2.2).
pub(crate) fn host_of<B>(request: &Request<B>) -> Option<HeaderValue> {
    match request.uri().authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => request.headers().get(HOST).cloned(),
    }
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    // These describe the message on its whole way. A known attack names them as hop-by-hop, so that
    // a proxy drops them.
    let kept = [HOST, CONTENT_LENGTH, TRAILER];
    for name in named.iter().filter(|name| !kept.contains(name)).chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn lists(headers: &HeaderMap, name: &HeaderName, item: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(item)))
}

/// Appends to a list, and joins its lines.
fn append(headers: &mut HeaderMap, name: HeaderName, item: &str) {
    let before = headers.get_all(&name).iter().map(HeaderValue::as_bytes);
    let list = before.chain([item.as_bytes()]).collect::<Vec<_>>().join(&b", "[..]);
    if let Ok(list) = HeaderValue::from_bytes(&list) {
        headers.insert(name, list);
    }
}

fn via(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2 tower-breaker",
        Version::HTTP_10 => "1.0 tower-breaker",
        _ => "1.1 tower-breaker",
    }
}
