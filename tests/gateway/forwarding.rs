//! Headers, as a proxy has to treat them.

use http::{HeaderMap, Request, Response, Version};

use crate::headers::{forward_request, forward_response};

fn request(headers: &[(&'static str, &'static str)]) -> Request<()> {
    let mut request = Request::get("/x").body(()).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

fn forwarded(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut request = request(headers);
    forward_request(&mut request, [10, 0, 0, 9].into());
    request.headers().clone()
}

#[test]
fn what_is_for_one_connection_goes_no_further() {
    let sent = forwarded(&[
        ("connection", "keep-alive, X-Private"),
        ("x-private", "1"),
        ("connection", "x-other"),
        ("x-other", "2"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "secret"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("x-public", "3"),
    ]);
    let mut names: Vec<_> = sent.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["via", "x-forwarded-for", "x-forwarded-proto", "x-public"]);
}

#[test]
fn a_client_that_takes_trailers_is_said_to() {
    let sent = forwarded(&[("te", "gzip;q=0.5, Trailers")]);
    assert_eq!(
        (&sent["te"], &sent["connection"]),
        (&"trailers".parse().unwrap(), &"te".parse().unwrap())
    );
}

#[test]
fn what_a_message_is_is_never_for_one_connection() {
    let mut response = Response::builder()
        .header("connection", "content-length, x-private")
        .header("content-length", "5")
        .header("x-private", "1")
        .version(Version::HTTP_10)
        .body(())
        .unwrap();
    forward_response(&mut response);
    assert_eq!(response.headers()["content-length"], "5");
    assert!(response.headers().get("x-private").is_none());
    assert_eq!(response.headers()["via"], "1.0 tower-breaker");
}

#[test]
fn who_asked_is_said() {
    let sent = forwarded(&[
        ("host", "a.example:8080"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-for", "192.0.2.2"),
    ]);
    assert_eq!(sent["x-forwarded-for"], "192.0.2.1, 192.0.2.2, 10.0.0.9");
    assert_eq!(sent["x-forwarded-host"], "a.example:8080");
    assert_eq!(sent["x-forwarded-proto"], "http");
    assert_eq!(sent["via"], "1.1 tower-breaker");
    assert_eq!(sent.get_all("x-forwarded-for").iter().count(), 1);
}

#[test]
fn what_a_client_says_of_the_host_and_the_scheme_is_not_believed() {
    let sent = forwarded(&[
        ("host", "a.example"),
        ("x-forwarded-host", "bank.example"),
        ("x-forwarded-proto", "https"),
    ]);
    assert_eq!(
        (&sent["x-forwarded-host"], &sent["x-forwarded-proto"]),
        (&"a.example".parse().unwrap(), &"http".parse().unwrap())
    );
}

#[test]
fn the_uri_says_the_host_before_the_header_does() {
    let mut request = request(&[("host", "b.example")]);
    *request.uri_mut() = "http://a.example/x".parse().unwrap();
    forward_request(&mut request, [10, 0, 0, 9].into());
    assert_eq!(request.headers()["x-forwarded-host"], "a.example");
}
