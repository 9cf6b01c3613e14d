use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tower_breaker::registry::Registry;

use crate::support::*;

async fn page(path: &str) -> (http::HeaderMap, String) {
    let console = builder(&Registry::new()).build();
    let request = Request::get(path).body(Full::<Bytes>::default()).unwrap();
    let response = send(&console, request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers().clone();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn it_may_be_mounted_under_any_path() {
    for path in ["/", "/breakers", "/ops/breakers/"] {
        let (headers, page) = page(path).await;
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert!(page.contains("<title>Breakers</title>"));
    }
    let registry = Registry::new();
    let _layer = layer(&registry, "a/b \"ü\"");
    let console = builder(&registry).build();
    for base in ["/api", "/breakers/api", "/ops/api/breakers/api"] {
        get(&console, &format!("{base}/breakers")).await;
        let one = get(&console, &format!("{base}/breakers/a%2Fb%20%22%C3%BC%22")).await;
        assert_eq!(one["name"], "a/b \"ü\"");
    }
}

#[tokio::test]
async fn nothing_but_its_own_script_and_style_runs_on_the_page() {
    let (headers, text) = page("/").await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    let nonce = policy
        .split("script-src 'nonce-")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(nonce.len(), 32);
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    assert_eq!(text.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
    // It is another one each time.
    let (again, _) = page("/").await;
    assert_ne!(again["content-security-policy"], headers["content-security-policy"]);
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["x-frame-options"], "DENY");
    assert_eq!(headers["cache-control"], "no-store");
    // Nothing from elsewhere, nothing read as HTML, nothing that a policy would have to allow.
    let source = include_str!("../../src/console/page.html");
    for absent in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "http://",
        "https://cdn",
        "style=\"",
        "onclick=\"",
    ] {
        let found = source.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(absent), "{absent}");
    }
}

#[tokio::test]
async fn what_is_not_there_or_another_method_is_said() {
    let registry = Registry::new();
    let _layer = layer(&registry, "a");
    let console = operated(&registry);
    for (method, path, status, allow) in [
        (Method::GET, "/api/breakers/b", 404, None),
        (Method::GET, "/api/breakers/%FF", 404, None),
        (Method::GET, "/api/breakers/a%2", 404, None),
        (Method::GET, "/api/nothing", 404, None),
        (Method::GET, "/api/", 404, None),
        (Method::GET, "/api/breakers/a/config/x", 404, None),
        (Method::POST, "/api/breakers", 405, Some("GET")),
        (Method::DELETE, "/api/breakers/a", 405, Some("GET")),
        (Method::GET, "/api/operations", 405, Some("POST")),
        (Method::POST, "/api/breakers/a/config", 405, Some("PUT")),
        (Method::POST, "/api/events", 405, Some("GET")),
        (Method::POST, "/", 405, Some("GET, HEAD")),
    ] {
        let answer = ask(&console, method.clone(), path, "").await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(answer.headers.get("allow").map(|allow| allow.to_str().unwrap()), allow);
        assert!(!error(&answer).is_empty());
    }
    assert_eq!(registry.breakers().len(), 1, "nothing was created");
}
