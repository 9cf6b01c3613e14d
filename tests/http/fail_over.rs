//! A call that failed on the primary goes to the backup, where it may be sent twice.

use std::{future::pending, io, net::SocketAddr};

use axum::{Router, body::Body, extract::Request};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpStream, time::sleep};
use tower::{BoxError, Layer, Service, ServiceBuilder, service_fn};
use tower_breaker::{
    Breaker, State,
    on_open::{FailOverBudget, RetainRequest},
    policy::ConsecutiveFailures,
    protocol::http::{ByStatus, Latency, RetainRequests, RetainedBody},
};

use crate::{
    support::*,
    wire::{self, Then},
};

/// A primary that answers 503, and a backup that answers 200.
async fn servers() -> [Origin; 2] {
    let primary = Origin::start("primary").await;
    primary.answers(503);
    [primary, Origin::start("backup").await]
}

/// A primary and a backup on these servers, with a budget that never runs out.
fn failing_over<R>(
    protocol: Protocol,
    [primary, backup]: [SocketAddr; 2],
    replay: R,
) -> (
    Breaker,
    impl Service<Request, Response = Response<Incoming>, Error = Error> + Clone,
)
where
    R: RetainRequest<Request, Response<Incoming>, Error>,
{
    let layer = builder()
        .classify(ByStatus::new())
        .backup(client_of(protocol, backup))
        .fail_over(replay, FailOverBudget::percent(100))
        .build()
        .unwrap();
    (layer.breaker().clone(), layer.layer(client_of(protocol, primary)))
}

fn is_connect(error: &Error) -> bool {
    error.is_connect()
}

#[tokio::test]
async fn a_get_that_failed_is_answered_by_the_backup() {
    for protocol in PROTOCOLS {
        let [primary, backup] = servers().await;
        let (breaker, service) = failing_over(
            protocol,
            [primary.address, backup.address],
            RetainRequests::new(Body::new),
        );
        for _ in 0..5 {
            assert_eq!(say(&service, "/").await, "200 backup");
        }
        assert_eq!((primary.requests(), backup.requests()), (3, 5));
        let totals = breaker.snapshot().totals;
        assert_eq!(
            (totals.primary.calls, totals.primary.failed, totals.failed_over),
            (3, 3, 3)
        );
        assert_eq!(
            (totals.backup.calls, totals.backup.succeeded, totals.refused),
            (5, 5, 2)
        );
        assert_eq!(
            breaker.state(),
            State::Open,
            "no user saw it, and it tripped all the same"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_no_failure_stays_the_users() {
    let [primary, backup] = servers().await;
    let servers = [primary.address, backup.address];
    let (_, service) = failing_over(Protocol::Http1, servers, RetainRequests::new(Body::new));
    for status in [200, 404, 429] {
        primary.answers(status);
        assert_eq!(say(&service, "/").await, format!("{status} primary"));
    }
    assert_eq!(backup.requests(), 0);
}

#[tokio::test]
async fn a_post_that_was_answered_is_never_sent_twice() {
    for protocol in PROTOCOLS {
        let [primary, backup] = servers().await;
        let servers = [primary.address, backup.address];
        let (_, plain) = failing_over(protocol, servers, RetainRequests::new(Body::new));
        let (_, knowing) = failing_over(protocol, servers, RetainRequests::new(Body::new).unsent(is_connect));
        let post = |body: &'static str| request(Method::POST, "/", body);
        for body in ["an order", ""] {
            let primary = (503, "primary".into());
            assert_eq!(ask(&plain, post(body)).await.unwrap(), primary);
            assert_eq!(ask(&knowing, post(body)).await.unwrap(), primary);
        }
        assert_eq!((primary.requests(), backup.requests()), (4, 0));
    }
}

#[tokio::test]
async fn a_post_that_was_cut_off_is_never_sent_twice() {
    let backup = Origin::start("backup").await;
    for then in [Then::Closes, Then::Resets] {
        let servers = [wire::http1("", then).await, backup.address];
        let (_, service) = failing_over(
            Protocol::Http1,
            servers,
            RetainRequests::new(Body::new).unsent(is_connect),
        );
        ask(&service, request(Method::POST, "/", "an order")).await.unwrap_err();
    }
    assert_eq!(backup.requests(), 0);
}

#[tokio::test]
async fn a_post_that_was_never_sent_goes_to_the_backup_whole() {
    for protocol in PROTOCOLS {
        let backup = Origin::start("backup").await;
        let (_socket, refusing) = refusing();
        let servers = [refusing, backup.address];
        let (_, plain) = failing_over(protocol, servers, RetainRequests::new(Body::new));
        ask(&plain, request(Method::POST, "/", "an order")).await.unwrap_err();
        assert_eq!(backup.requests(), 0, "unless one says which errors those are");

        let unsent = RetainRequests::new(Body::new).unsent(is_connect);
        let (breaker, knowing) = failing_over(protocol, servers, unsent.cap(10));
        // Nothing was read, so nothing had to be kept: the cap is no matter.
        for body in [
            Body::from("an order"),
            Body::from(bytes(100_000)),
            streamed(3000),
            Body::empty(),
        ] {
            if breaker.state() == State::Open {
                breaker.reset("next");
            }
            let answer = ask(&knowing, request(Method::POST, "/", body)).await.unwrap();
            assert_eq!(answer, (200, "backup".into()));
        }
        assert_eq!(
            backup.bodies(),
            [Bytes::from("an order"), bytes(100_000), bytes(3000), Bytes::new()]
        );
        assert_eq!(breaker.snapshot().totals.failed_over, 4);
    }
}

fn put(body: impl Into<Body>) -> Request {
    request(Method::PUT, "/", body)
}

fn bytes(count: usize) -> Bytes {
    (0..count).map(|n| n as u8).collect()
}

/// A body in chunks of 100 bytes, which doesn't tell its length.
fn streamed(count: usize) -> Body {
    let chunks: Vec<_> = bytes(count).chunks(100).map(Bytes::copy_from_slice).collect();
    Body::from_stream(stream::iter(chunks.into_iter().map(Ok::<_, io::Error>)))
}

#[tokio::test]
async fn a_body_within_the_cap_arrives_whole_at_both() {
    for protocol in PROTOCOLS {
        for body in [Body::from(bytes(1000)), streamed(1000), streamed(1), Body::empty()] {
            let size = http_body::Body::size_hint(&body).exact();
            let [primary, backup] = servers().await;
            let servers = [primary.address, backup.address];
            let (_, service) = failing_over(protocol, servers, RetainRequests::new(Body::new).cap(1000));
            let answer = ask(&service, put(body)).await.unwrap();
            assert_eq!(answer, (200, "backup".into()), "{protocol:?} {size:?}");
            assert_eq!(primary.bodies(), backup.bodies());
        }
    }
}

#[tokio::test]
async fn a_body_over_the_cap_is_sent_once_and_the_primarys_answer_is_the_users() {
    for protocol in PROTOCOLS {
        // Of the one that doesn't tell its length it turns out on the way.
        for (body, size) in [
            (Body::from(bytes(1001)), 1001),
            (streamed(1001), 1001),
            (streamed(5000), 5000),
        ] {
            let [primary, backup] = servers().await;
            let servers = [primary.address, backup.address];
            let (breaker, service) = failing_over(protocol, servers, RetainRequests::new(Body::new).cap(1000));
            let answer = ask(&service, put(body)).await.unwrap();
            assert_eq!(answer, (503, "primary".into()), "{protocol:?} {size}");
            assert_eq!(primary.bodies(), [bytes(size)]);
            assert_eq!((backup.requests(), breaker.snapshot().totals.failed_over), (0, 0));
        }
    }
}

/// A server that answers 503 to whatever begins to be sent.
async fn hasty() -> SocketAddr {
    serve(Router::new().fallback(async || (StatusCode::SERVICE_UNAVAILABLE, "primary"))).await
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_read_is_a_failure_like_any_other() {
    for protocol in PROTOCOLS {
        for body in [Body::from(bytes(1000)), streamed(1000)] {
            let backup = Origin::start("backup").await;
            let servers = [hasty().await, backup.address];
            let (_, service) = failing_over(protocol, servers, RetainRequests::new(Body::new));
            assert_eq!(ask(&service, put(body)).await.unwrap(), (200, "backup".into()));
            assert_eq!(backup.bodies(), [bytes(1000)]);
        }
    }
}

#[tokio::test]
async fn an_upload_that_goes_on_arrives_whole_or_not_at_all() {
    for protocol in PROTOCOLS {
        let backup = Origin::start("backup").await;
        let servers = [hasty().await, backup.address];
        let (_, service) = failing_over(protocol, servers, RetainRequests::new(Body::new));
        let upload = stream::iter(["begun", ", and ", "done"]).then(async |part| {
            sleep(ms(10)).await;
            Ok::<_, io::Error>(part)
        });
        // It depends on whether the client lets go of the body when it has the answer.
        match ask(&service, put(Body::from_stream(upload))).await.unwrap() {
            (200, name) => assert_eq!(
                (name.as_str(), backup.bodies()),
                ("backup", vec!["begun, and done".into()])
            ),
            answer => assert_eq!((answer, backup.requests()), ((503, "primary".into()), 0)),
        }
    }
}

#[tokio::test]
async fn trailers_arrive_at_the_backup_too() {
    let frames = [Frame::data(Bytes::from("data")), Frame::trailers(HeaderMap::new())];
    let body = Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, io::Error>))));
    let [primary, backup] = servers().await;
    let servers = [primary.address, backup.address];
    let (_, service) = failing_over(Protocol::Http2, servers, RetainRequests::new(Body::new));
    assert_eq!(ask(&service, put(body)).await.unwrap(), (200, "backup".into()));
    assert_eq!(backup.bodies(), ["data"]);
}

#[tokio::test]
async fn a_request_whose_own_body_fails_is_not_sent_again() {
    for protocol in PROTOCOLS {
        let [primary, backup] = servers().await;
        let servers = [primary.address, backup.address];
        let (_, service) = failing_over(protocol, servers, RetainRequests::new(Body::new));
        let torn = stream::iter([Ok("half of "), Err(io::Error::other("torn"))]);
        ask(&service, put(Body::from_stream(torn))).await.unwrap_err();
        assert_eq!(backup.requests(), 0);
    }
}

#[tokio::test]
async fn when_the_budget_is_spent_the_primarys_answer_is_the_users() {
    let [primary, backup] = servers().await;
    let layer = builder()
        .classify(ByStatus::new())
        .trip_when(ConsecutiveFailures::of(1000))
        .backup(client_of(Protocol::Http1, backup.address))
        .fail_over(RetainRequests::new(Body::new), FailOverBudget::percent(10).at_once(2))
        .build()
        .unwrap();
    let service = layer.layer(client_of(Protocol::Http1, primary.address));
    let mut answers = Vec::new();
    for _ in 0..42 {
        answers.push(say(&service, "/").await);
    }
    let from_backup: Vec<_> = (0..42).filter(|n| answers[*n] == "200 backup").collect();
    // Two at once, then one in ten.
    assert_eq!(from_backup, [0, 1, 10, 20, 30, 40]);
    assert_eq!(answers.iter().filter(|answer| *answer == "503 primary").count(), 36);
    let totals = layer.breaker().snapshot().totals;
    assert_eq!(
        (totals.failed_over, totals.backup.calls, totals.primary.failed),
        (6, 6, 42)
    );
}

#[test]
fn a_budget_of_nothing_or_of_too_much_is_refused() {
    let refused = |budget| {
        let builder = builder()
            .classify(ByStatus::new())
            .backup(service_fn(async |_: Request| {
                Ok::<_, BoxError>(Response::new(Body::empty()))
            }));
        let built = builder
            .fail_over(RetainRequests::new(Body::new::<RetainedBody<Body>>), budget)
            .build();
        built.unwrap_err().to_string()
    };
    for percent in [0, 101, 255] {
        let error = refused(FailOverBudget::percent(percent));
        assert!(
            error.contains("fail_over.percent") && error.contains(&percent.to_string()),
            "{error}"
        );
    }
    let error = refused(FailOverBudget::percent(10).at_once(0));
    assert!(error.contains("fail_over.at_once"), "{error}");
}

#[tokio::test]
async fn a_failed_probe_is_no_callers_error() {
    let clock = ManualClock::default();
    let [primary, backup] = servers().await;
    let layer = builder_on(&clock)
        .classify(ByStatus::new().at_end(Latency::ToHead))
        .backup(client_of(Protocol::Http1, backup.address))
        .fail_over(RetainRequests::new(Body::new), FailOverBudget::default())
        .build()
        .unwrap();
    let service = layer.layer(client_of(Protocol::Http1, primary.address));
    trip(layer.breaker());
    clock.advance(ms(1000));
    assert_eq!(say(&service, "/").await, "200 backup");
    assert_eq!((layer.breaker().state(), primary.requests()), (State::Open, 1));
}

#[tokio::test]
async fn a_backup_that_fails_too_has_the_last_word() {
    let [primary, backup] = servers().await;
    backup.answers(500);
    let servers = [primary.address, backup.address];
    let (breaker, service) = failing_over(Protocol::Http1, servers, RetainRequests::new(Body::new));
    assert_eq!(say(&service, "/").await, "500 backup");
    let totals = breaker.snapshot().totals;
    assert_eq!((totals.primary.failed, totals.backup.failed), (1, 1));
}

/// Connects for ever, as where packets are thrown away.
fn black_hole() -> impl Service<Request, Response = Response<Incoming>, Error = Error, Future: Send> + Clone {
    let connector = service_fn(|_| pending::<io::Result<TokioIo<TcpStream>>>());
    Client::builder(TokioExecutor::new()).build::<_, Body>(connector)
}

#[tokio::test]
async fn a_timeout_inside_lets_go_of_a_request_that_was_never_sent() {
    let backup = Origin::start("backup").await;
    let layer = builder()
        .classify(ByStatus::new())
        .backup(
            ServiceBuilder::new()
                .map_err(BoxError::from)
                .service(client_of(Protocol::Http1, backup.address)),
        )
        .fail_over(RetainRequests::new(Body::new), FailOverBudget::default())
        .build()
        .unwrap();
    let service = ServiceBuilder::new().layer(layer).timeout(ms(20)).service(black_hole());
    let put = Request::put("http://127.0.0.1/").body(Body::from("a file")).unwrap();
    assert_eq!(ask(&service, put).await.unwrap(), (200, "backup".into()));
    assert_eq!(backup.bodies(), ["a file"]);
}
