//! The layer around hyper-util's client, over HTTP/1 and HTTP/2.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, header::RETRY_AFTER};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error},
    rt::TokioExecutor,
};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, CircuitOpen, State,
    protocol::http::{ByStatus, EitherBody, Latency, Unavailable},
};

use crate::support::*;

#[tokio::test]
async fn what_the_readme_says_of_hyper_util() {
    let origin = Origin::start("primary").await;
    let run = async || -> Result<_, BoxError> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let layer = CircuitBreakerLayer::builder()
            .name("inventory")
            .slow_after(Duration::from_millis(300))
            .classify(ByStatus::new()) // 5xx and errors are failures
            .build()?; // while open, calls end in a CircuitOpen
        let breaker = layer.breaker().clone();
        let service = ServiceBuilder::new()
            .layer(layer)
            .map_err(BoxError::from) // below the layer; with a backup it can go
            .service(client);

        let request = || Request::get(format!("http://{}/", origin.address)).body(Full::default());
        let good = service.clone().oneshot(request()?).await?;
        breaker.force_open("a test", None);
        let refused = service.oneshot(request()?).await.map(drop);
        Ok((good, refused))
    };
    let (good, refused) = within(run()).await.unwrap();
    assert_eq!(good.status(), 200);
    assert!(refused.unwrap_err().is::<CircuitOpen>());
}

#[tokio::test]
async fn rejected_calls_never_reach_the_server() {
    for protocol in PROTOCOLS {
        let origin = Origin::start("primary").await;
        origin.answers(503);
        let layer = builder().name("origin").classify(ByStatus::new()).build().unwrap();
        let service = ServiceBuilder::new()
            .layer(layer)
            .map_err(BoxError::from)
            .service(client_of(protocol, origin.address));
        for _ in 0..3 {
            assert_eq!(say(&service, "/").await, "503 primary");
        }
        for _ in 0..3 {
            let error = ask(&service, get("/")).await.unwrap_err();
            assert_eq!(error.downcast_ref::<CircuitOpen>().unwrap().breaker(), "origin");
        }
        assert_eq!(origin.requests(), 3);
    }
}

#[tokio::test]
async fn a_second_client_is_the_backup_of_the_first() {
    for protocol in PROTOCOLS {
        let clock = ManualClock::default();
        let [primary, backup] = [Origin::start("primary").await, Origin::start("backup").await];
        let layer = builder_on(&clock)
            .classify(ByStatus::new())
            .backup(client_of(protocol, backup.address))
            .build()
            .unwrap();
        let service = layer.layer(client_of(protocol, primary.address));
        primary.answers(500);
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(say(&service, "/").await);
        }
        assert_eq!(
            answers,
            ["500 primary", "500 primary", "500 primary", "200 backup", "200 backup"]
        );

        // It is tried again, and comes back.
        primary.answers(200);
        let mut from_primary = 0;
        for _ in 0..100 {
            clock.advance(ms(100));
            from_primary += usize::from(say(&service, "/").await == "200 primary");
        }
        assert_eq!(layer.breaker().state(), State::Closed);
        assert_eq!(from_primary, primary.requests() - 3);
        assert!(from_primary > 50, "{from_primary}");
    }
}

#[tokio::test]
async fn either_body_is_that_of_a_client_or_one_made_on_the_spot() {
    for protocol in PROTOCOLS {
        let origin = Origin::start("primary").await;
        let layer = builder()
            .classify(ByStatus::new().at_end(Latency::ToHead))
            .respond(Unavailable::new())
            .build()
            .unwrap();
        let service = ServiceBuilder::new()
            .layer(layer.clone())
            .map_response(|response: Response<Incoming>| response.map(EitherBody::<_, Full<Bytes>>::primary))
            .service(client_of(protocol, origin.address));
        assert_eq!(say(&service, "/").await, "200 primary");
        trip(layer.breaker());
        let response = service.oneshot(get("/")).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()[RETRY_AFTER]),
            (503, &"1".parse().unwrap())
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"The service is unavailable."));
        assert_eq!(
            layer.breaker().snapshot().totals.primary.succeeded,
            1,
            "at the end of its body"
        );
    }
}

#[tokio::test]
async fn a_backup_that_makes_no_call_may_have_a_body_of_its_own() {
    let origin = Origin::start("primary").await;
    let layer = builder()
        .classify(ByStatus::new())
        .backup(service_fn(|request: Request<Body>| async move {
            let cached = Full::new(Bytes::from(format!("{} from the cache", request.uri().path())));
            Ok::<_, Error>(Response::new(EitherBody::backup(cached)))
        }))
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .map_response(|response: Response<Incoming>| response.map(EitherBody::primary))
        .service(client_of(Protocol::Http1, origin.address));
    assert_eq!(say(&service, "/stock").await, "200 primary");
    trip(layer.breaker());
    assert_eq!(say(&service, "/stock").await, "200 /stock from the cache");
}

#[tokio::test]
async fn the_whole_of_an_answer_is_judged_and_passed_on() {
    for protocol in PROTOCOLS {
        let origin = Origin::start("primary").await;
        let layer = builder()
            .classify(ByStatus::new().at_end(Latency::ToEnd))
            .build()
            .unwrap();
        let service = ServiceBuilder::new()
            .layer(layer.clone())
            .map_err(BoxError::from)
            .service(client_of(protocol, origin.address));
        assert_eq!(say(&service, "/").await, "200 primary");
        let answer = service.clone().oneshot(get("/")).await.unwrap();
        assert_eq!(layer.breaker().snapshot().in_flight, 1);
        drop(answer);
        let head = request(http::Method::HEAD, "/", Body::empty());
        assert_eq!(ask(&service, head).await.unwrap(), (200, String::new()));
        let totals = layer.breaker().snapshot().totals.primary;
        assert_eq!((totals.succeeded, totals.cancelled), (2, 1), "{protocol:?}");
    }
}
