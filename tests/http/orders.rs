//! The layer among tower's own, around a client: what the README's table says of the recommended
//! order, and of the other one.

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::extract::Request;
use futures::future::join_all;
use http::Response;
use hyper::body::Incoming;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, load_shed::error::Overloaded, retry, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, CircuitOpen, Outcome, State, layer::CircuitBreakerLayerBuilder, on_open::Reject,
    policy::ConsecutiveFailures, protocol::http::ByStatus,
};

use crate::support::*;

/// Rejects while open; on the real clock, for what real timeouts do.
fn rejecting() -> CircuitBreakerLayerBuilder<Reject, ByStatus> {
    CircuitBreakerLayer::builder()
        .trip_when(ConsecutiveFailures::of(3))
        .classify(ByStatus::new())
}

async fn hanging() -> Origin {
    let origin = Origin::start("primary").await;
    origin.hangs(true);
    origin
}

/// As a timeout, a limit or a buffer has it: any error in a box.
fn boxed(
    server: SocketAddr,
) -> impl Service<Request, Response = Response<Incoming>, Error = BoxError, Future: Send> + Clone + Send + Sync + 'static
{
    ServiceBuilder::new()
        .map_err(BoxError::from)
        .service(client_of(Protocol::Http1, server))
}

// Timeout.

#[tokio::test]
async fn timeout_above_a_caller_that_gives_up_was_slow() {
    let origin = hanging().await;
    let layer = rejecting().slow_after(ms(10)).build().unwrap();
    let service = ServiceBuilder::new()
        .timeout(ms(30))
        .layer(layer.clone())
        .service(boxed(origin.address));
    for _ in 0..3 {
        assert_eq!(say(&service, "/").await, "error: request timed out");
    }
    let totals = layer.breaker().snapshot().totals.primary;
    assert_eq!((totals.slow, totals.failed), (3, 0));
    assert!(ask(&service, get("/")).await.unwrap_err().is::<CircuitOpen>());
}

#[tokio::test]
async fn timeout_above_and_no_slow_after_a_hang_says_nothing() {
    let origin = hanging().await;
    let layer = rejecting().build().unwrap();
    let service = ServiceBuilder::new()
        .timeout(ms(5))
        .layer(layer.clone())
        .service(boxed(origin.address));
    for _ in 0..4 {
        assert_eq!(say(&service, "/").await, "error: request timed out");
    }
    assert_eq!(layer.breaker().state(), State::Closed);
}

#[tokio::test]
async fn timeout_below_a_hang_is_an_error() {
    let origin = hanging().await;
    let layer = rejecting().build().unwrap();
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .timeout(ms(30))
        .service(boxed(origin.address));
    for _ in 0..3 {
        assert_eq!(say(&service, "/").await, "error: request timed out");
    }
    assert_eq!(layer.breaker().snapshot().totals.primary.failed, 3);
    assert!(ask(&service, get("/")).await.unwrap_err().is::<CircuitOpen>());
}

// Retry.

/// Tries again while it is answered 5xx; a rejection isn't worth that.
#[derive(Clone)]
struct Again(u32);

impl<B> retry::Policy<Request, Response<B>, BoxError> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request, result: &mut Result<Response<B>, BoxError>) -> Option<Self::Future> {
        let failed = match result {
            Ok(response) => response.status().is_server_error(),
            Err(error) => !error.is::<CircuitOpen>(),
        };
        self.0 = self.0.checked_sub(u32::from(failed))?;
        failed.then(|| ready(()))
    }

    fn clone_request(&mut self, _: &Request) -> Option<Request> {
        Some(get("/"))
    }
}

#[tokio::test]
async fn retry_above_each_attempt_is_judged_and_a_rejection_ends_them() {
    let origin = Origin::start("primary").await;
    origin.answers(503);
    let layer = rejecting().build().unwrap();
    let service = ServiceBuilder::new()
        .retry(Again(9))
        .layer(layer.clone())
        .service(boxed(origin.address));
    assert!(ask(&service, get("/")).await.unwrap_err().is::<CircuitOpen>());
    assert_eq!((origin.requests(), layer.breaker().state()), (3, State::Open));
}

#[tokio::test]
async fn retry_below_three_failures_and_a_success_are_one_good_call() {
    let origin = Origin::start("primary").await;
    let failures = Arc::new(AtomicU32::new(0));
    let recovering = {
        let (client, origin) = (boxed(origin.address), origin.clone());
        service_fn(move |request: Request| {
            let attempt = failures.fetch_add(1, Ordering::SeqCst);
            origin.answers(if attempt < 3 { 503 } else { 200 });
            client.clone().oneshot(request)
        })
    };
    let layer = rejecting().build().unwrap();
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .retry(Again(9))
        .service(recovering);
    assert_eq!(say(&service, "/").await, "200 primary");
    let totals = layer.breaker().snapshot().totals.primary;
    assert_eq!((origin.requests(), totals.calls, totals.succeeded), (4, 1, 1));
}

// Load-shed, over a limit whose only slot is taken by a call that hangs.

#[tokio::test]
async fn load_shed_below_a_call_that_is_shed_is_an_error_which_may_be_ignored() {
    for ignored in [false, true] {
        let origin = hanging().await;
        let layer = builder()
            .classify_fn(move |result: Result<&Response<Incoming>, &BoxError>| match result {
                Ok(_) => Outcome::Success,
                Err(error) if error.is::<Overloaded>() && ignored => Outcome::Ignored,
                Err(_) => Outcome::Failure,
            })
            .build()
            .unwrap();
        let service = ServiceBuilder::new()
            .layer(layer.clone())
            .load_shed()
            .concurrency_limit(1)
            .service(boxed(origin.address));
        let hanging = tokio::spawn(service.clone().oneshot(get("/")));
        until(|| origin.requests() == 1).await;
        for _ in 0..3 {
            assert!(ask(&service, get("/")).await.unwrap_err().is::<Overloaded>());
        }
        let expected = if ignored { State::Closed } else { State::Open };
        assert_eq!(layer.breaker().state(), expected);
        hanging.abort();
    }
}

#[tokio::test]
async fn load_shed_above_sheds_what_the_primary_has_no_room_for_only_while_closed() {
    let [primary, backup] = [hanging().await, Origin::start("backup").await];
    let layer = rejecting().backup(boxed(backup.address)).build().unwrap();
    let service = ServiceBuilder::new()
        .load_shed()
        .layer(layer.clone())
        .concurrency_limit(1)
        .service(boxed(primary.address));
    let hanging = tokio::spawn(service.clone().oneshot(get("/")));
    until(|| primary.requests() == 1).await;
    assert!(ask(&service, get("/")).await.unwrap_err().is::<Overloaded>());
    assert_eq!(
        layer.breaker().snapshot().totals.primary.calls,
        1,
        "the breaker didn't see it"
    );
    layer.breaker().force_open("a test", None);
    assert_eq!(say(&service, "/").await, "200 backup");
    hanging.abort();
}

// Concurrency limit.

#[tokio::test]
async fn limit_below_no_call_waits_for_a_slot_while_open() {
    let [primary, backup] = [hanging().await, Origin::start("backup").await];
    let layer = rejecting().backup(boxed(backup.address)).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .concurrency_limit(1)
        .service(boxed(primary.address));
    let hanging = tokio::spawn(service.clone().oneshot(get("/")));
    until(|| primary.requests() == 1).await;
    let waiting: Vec<_> = (0..3)
        .map(|_| tokio::spawn(service.clone().oneshot(get("/"))))
        .collect();
    trip(layer.breaker());
    for answer in within(join_all(waiting)).await {
        assert_eq!(answer.unwrap().unwrap().status(), 200, "woken by the trip");
    }
    assert_eq!(say(&service, "/").await, "200 backup");
    assert_eq!((primary.requests(), backup.requests()), (1, 4));
    hanging.abort();
}

#[tokio::test]
async fn limit_above_calls_to_the_backup_use_up_the_primarys_slots() {
    let [primary, backup] = [Origin::start("primary").await, hanging().await];
    let layer = rejecting().backup(boxed(backup.address)).build().unwrap();
    let service = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(1)
        .layer(layer.clone())
        .service(boxed(primary.address));
    layer.breaker().force_open("a test", None);
    let hanging = tokio::spawn(service.clone().oneshot(get("/")));
    until(|| backup.requests() == 1).await;
    layer.breaker().reset("the primary is well");
    assert!(
        ask(&service, get("/")).await.unwrap_err().is::<Overloaded>(),
        "no slot is left for it"
    );
    hanging.abort();
}

// Buffer.

#[tokio::test]
async fn buffer_below_its_queue_is_not_waited_for_while_open() {
    let [primary, backup] = [hanging().await, Origin::start("backup").await];
    let layer = rejecting().backup(boxed(backup.address)).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .buffer(1)
        .concurrency_limit(1)
        .service(boxed(primary.address));
    // One in the primary, one that the buffer holds in its hand, and one in its queue; for the rest
    // there is no room.
    let hanging: Vec<_> = (0..3)
        .map(|_| tokio::spawn(service.clone().oneshot(get("/"))))
        .collect();
    until(|| layer.breaker().snapshot().in_flight >= 2 && primary.requests() == 1).await;
    trip(layer.breaker());
    for _ in 0..5 {
        assert_eq!(say(&service, "/").await, "200 backup");
    }
    assert_eq!(primary.requests(), 1);
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn buffer_above_outlives_an_open_breaker_and_a_primary_that_refuses_connections() {
    let (_socket, address) = refusing();
    let layer = rejecting().build().unwrap();
    let service = ServiceBuilder::new()
        .buffer(4)
        .layer(layer.clone())
        .map_err(BoxError::from)
        .service(client_of(Protocol::Http1, address));
    for _ in 0..3 {
        let error = ask(&service, get("/")).await.unwrap_err();
        assert!(!error.is::<CircuitOpen>(), "{error}");
    }
    for _ in 0..5 {
        let error = ask(&service, get("/")).await.unwrap_err();
        assert!(error.is::<CircuitOpen>(), "the buffer is still open: {error}");
    }
}

// All of it.

#[tokio::test]
async fn the_recommended_stack_rides_through_an_outage() {
    let [primary, backup] = [Origin::start("primary").await, Origin::start("backup").await];
    let clock = ManualClock::default();
    let layer = builder_on(&clock)
        .slow_after(ms(300))
        .classify(ByStatus::new())
        .backup(boxed(backup.address))
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .timeout(ms(10_000))
        .retry(Again(1))
        .layer(layer.clone())
        .load_shed()
        .concurrency_limit(10)
        .buffer(10)
        .service(boxed(primary.address));
    let mut answers = BTreeMap::<_, u32>::new();
    for n in 0..200 {
        primary.answers(if (50..100).contains(&n) { 500 } else { 200 });
        clock.advance(ms(100));
        *answers.entry(say(&service, "/").await).or_default() += 1;
    }
    assert_eq!(layer.breaker().state(), State::Closed);
    // A user sees an error where the retry failed as well: that of the first call.
    assert_eq!(answers.get("500 primary"), Some(&1), "{answers:?}");
    assert!(
        answers["200 backup"] >= 49 && answers["200 primary"] >= 100,
        "{answers:?}"
    );
    assert_eq!(answers.values().sum::<u32>(), 200);
}
