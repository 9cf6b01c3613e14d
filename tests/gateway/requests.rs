//! Whole requests through the gateway, with clients that keep to the standard.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{StreamExt, channel::mpsc, stream};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Collected, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::timeout;
use tower::BoxError;

use crate::support::*;

/// An instance that answers with what it was asked, and keeps the headers.
async fn echo() -> (Instance, Arc<Mutex<Vec<(Method, String, HeaderMap)>>>) {
    let seen: Arc<Mutex<Vec<_>>> = Arc::default();
    let kept = seen.clone();
    let instance = Instance::new(move |request| {
        let (parts, body) = request.into_parts();
        kept.lock()
            .unwrap()
            .push((parts.method, parts.uri.to_string(), parts.headers));
        Box::pin(async move {
            let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
            Response::builder()
                .header("x-answer", "1")
                .header("connection", "x-private")
                .header("x-private", "2")
                .body(full(body))
                .unwrap()
        })
    })
    .await;
    (instance, seen)
}

#[tokio::test]
async fn a_request_arrives_as_it_was_and_so_does_its_answer() {
    let (instance, seen) = echo().await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&instance], ""))).await;
    let request = Request::put(gateway.uri("/a%20b/?q=%C3%BC&x=1"))
        .header("x-question", "7")
        .body(full("äöü"))
        .unwrap();
    let response = client().request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-answer"], "1");
    assert!(response.headers().get("x-private").is_none());
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "äöü");
    let (method, uri, headers) = seen.lock().unwrap().remove(0);
    assert_eq!((method, uri.as_str()), (Method::PUT, "/a%20b/?q=%C3%BC&x=1"));
    assert_eq!(headers["x-question"], "7");
    assert_eq!(headers["host"], instance.address.to_string());
    assert_eq!(headers["x-forwarded-host"], gateway.address.to_string());
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["content-length"], "6");
}

#[tokio::test]
async fn http2_clients_are_served_too() {
    let (instance, seen) = echo().await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&instance], ""))).await;
    let client: Client<_, UnsyncBoxBody<Bytes, BoxError>> =
        Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let response = client.request(Request::post(gateway.uri("/x")).body(full("body")).unwrap());
    let response = response.await.unwrap();
    assert_eq!(
        (response.version(), response.status()),
        (Version::HTTP_2, StatusCode::OK)
    );
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "body");
    let (_, uri, headers) = seen.lock().unwrap().remove(0);
    assert_eq!(uri, "/x");
    assert_eq!(headers["x-forwarded-host"], gateway.address.to_string());
    assert_eq!(headers["via"], "2 tower-breaker");
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let instance = Instance::new(|_| {
        Box::pin(async {
            Response::builder()
                .header("content-length", "12345")
                .body(full(""))
                .unwrap()
        })
    })
    .await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&instance], ""))).await;
    let request = Request::head(gateway.uri("/")).body(full("")).unwrap();
    let response = client().request(request).await.unwrap();
    assert_eq!(response.headers()["content-length"], "12345");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn a_response_streams_through() {
    let (chunks, body) = mpsc::unbounded::<Result<Frame<Bytes>, BoxError>>();
    let body = Arc::new(Mutex::new(Some(body)));
    let instance = Instance::new(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        Box::pin(async move { Response::new(StreamBody::new(body).boxed_unsync()) })
    })
    .await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&instance], ""))).await;
    let response = client().get(gateway.uri("/").parse().unwrap()).await.unwrap();
    let mut body = response.into_body();
    for text in ["first", "second"] {
        chunks
            .unbounded_send(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
            .unwrap();
        let frame = timeout(ms(5000), body.frame())
            .await
            .expect("it doesn't wait for the next");
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), text);
    }
    drop(chunks);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_request_streams_through() {
    // An instance that answers to each chunk as it comes.
    let instance = Instance::new(|request: Request<hyper::body::Incoming>| {
        let frames = http_body_util::BodyStream::new(request.into_body());
        let answers = frames.map(|frame| frame.map_err(BoxError::from));
        Box::pin(async move { Response::new(StreamBody::new(answers).boxed_unsync()) })
    })
    .await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&instance], ""))).await;
    let (chunks, body) = mpsc::unbounded::<Result<Frame<Bytes>, BoxError>>();
    let request = Request::post(gateway.uri("/"))
        .body(StreamBody::new(body).boxed_unsync())
        .unwrap();
    let response = timeout(ms(5000), client().request(request))
        .await
        .expect("it doesn't wait for the end");
    let mut body = response.unwrap().into_body();
    for text in ["first", "second"] {
        chunks
            .unbounded_send(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
            .unwrap();
        let frame = timeout(ms(5000), body.frame())
            .await
            .expect("it doesn't wait for the next");
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), text);
    }
    drop(chunks);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn large_bodies_pass_in_both_directions() {
    let (instance, _seen) = echo().await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&instance], ""))).await;
    for method in [Method::POST, Method::PUT] {
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        let chunks = stream::iter((0..64).map(move |_| Ok::<_, BoxError>(Frame::data(chunk.clone()))));
        let request = Request::builder()
            .method(method)
            .uri(gateway.uri("/"))
            .body(StreamBody::new(chunks).boxed_unsync())
            .unwrap();
        let response = client().request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), 4 * 1024 * 1024);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_broken_for_the_client_too() {
    let (chunks, body) = mpsc::unbounded::<Result<Frame<Bytes>, BoxError>>();
    let body = Arc::new(Mutex::new(Some(body)));
    let instance = Instance::new(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        Box::pin(async move { Response::new(StreamBody::new(body).boxed_unsync()) })
    })
    .await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&instance], ""))).await;
    let send = |frame| chunks.unbounded_send(frame).unwrap();
    send(Ok(Frame::data(Bytes::from_static(b"beginning"))));
    let response = client().get(gateway.uri("/").parse().unwrap()).await.unwrap();
    let mut body = response.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    send(Err("it breaks off".into()));
    assert!(body.collect().await.is_err());
}
