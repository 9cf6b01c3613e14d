//! The layer among other middleware, with requests and errors of every kind. Much of this only has
//! to compile.

use std::{
    cell::Cell,
    convert::Infallible,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt,
    balance::p2c::Balance,
    discover::ServiceList,
    load::{CompleteOnResponse, PendingRequests},
    retry::{Retry, backoff::ExponentialBackoffMaker},
    service_fn,
    util::BoxCloneSyncService,
};
use tower_breaker::{
    CircuitBreaker, CircuitBreakerLayer, CircuitOpen, Outcome, Permit, State,
    classify::Classify,
    future::ResponseFuture,
    on_open::{CloneRequests, FailOverBudget, OnOpen},
};

use crate::support::*;

async fn call<S: Service<u32>>(mut service: S) -> Result<S::Response, S::Error> {
    service.ready().await?.call(1).await
}

fn spawned<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}

#[tokio::test]
async fn rejects_backups_waits_and_closures_run_in_spawned_coroutines() {
    let (primary, _) = primary(Behavior::Answers);
    let classified = || {
        builder().classify_fn(|result: Result<&&'static str, &BoxError>| match result {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        })
    };
    let reject = builder().build().unwrap().layer(primary.clone());
    let backup = builder().backup(Spare).build().unwrap().layer(primary.clone());
    let wait = builder().wait().build().unwrap().layer(primary.clone());
    let closure = classified().build().unwrap().layer(primary.clone());
    let both = classified().backup(Spare).build().unwrap().layer(primary.clone());
    let chain = builder()
        .backup(builder().backup(Spare).build().unwrap().layer(primary.clone()))
        .build()
        .unwrap()
        .layer(primary.clone());
    let buffered = ServiceBuilder::new()
        .buffer(4)
        .layer(builder().backup(Spare).build().unwrap())
        .service(primary);
    // A generic `call(service)` here, or `.oneshot()`, fails to be `Send` (rust-lang/rust#110338):
    // see the next test.
    macro_rules! ask {
        ($service:ident) => {{
            let mut service = $service;
            service.ready().await?.call(1).await
        }};
    }
    let answers: [tokio::task::JoinHandle<Result<&'static str, BoxError>>; 7] = [
        spawned(async move { ask!(reject) }),
        spawned(async move { ask!(backup) }),
        spawned(async move { ask!(wait) }),
        spawned(async move { ask!(closure) }),
        spawned(async move {
            let mut service = both;
            tokio::time::timeout(Duration::from_secs(1), service.ready().await?.call(1)).await?
        }),
        spawned(async move {
            let mut service = chain;
            tokio::select! {
                answer = service.ready().await?.call(1) => answer,
                () = tokio::time::sleep(Duration::from_secs(1)) => Err("too late".into()),
            }
        }),
        spawned(async move { ask!(buffered) }),
    ];
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap(), "primary");
    }
}

#[tokio::test]
async fn a_boxed_service_is_spawned_with_oneshot_too() {
    let layer = builder().backup(Spare).build().unwrap();
    let service = BoxCloneSyncService::new(layer.layer(primary(Behavior::Answers).0));
    let answer = spawned(async move { service.oneshot(1).await });
    assert_eq!(answer.await.unwrap().unwrap(), "primary");
}

/// A future with a bound on its struct, `S: Service<Req>`, isn't `Send` here: the compiler doesn't
/// know that the two boxed errors are the same.
#[tokio::test]
async fn boxed_services_run_in_spawned_coroutines() {
    let boxed = BoxCloneSyncService::new(primary(Behavior::Answers).0);
    let mut plain = builder().build().unwrap().layer(boxed.clone());
    let mut backed = builder().backup(boxed.clone()).build().unwrap().layer(boxed.clone());
    let mut failing_over = builder()
        .backup(boxed.clone())
        .fail_over(CloneRequests, FailOverBudget::default())
        .build()
        .unwrap()
        .layer(boxed);
    let answers: [tokio::task::JoinHandle<Result<&'static str, BoxError>>; 3] = [
        spawned(async move { plain.ready().await?.call(1).await }),
        spawned(async move { backed.ready().await?.call(1).await }),
        spawned(async move { failing_over.ready().await?.call(1).await }),
    ];
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap(), "primary");
    }
}

/// A service of a user's own around the breaker's, whose future it names.
#[derive(Clone)]
struct Named<S, B>(CircuitBreaker<S, B>);

impl<S, B, Req> Service<Req> for Named<S, B>
where
    S: Service<Req> + Clone,
    B: OnOpen<Req, S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Service::<Req>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        self.0.call(request)
    }
}

#[tokio::test]
async fn a_future_is_named_by_the_service_its_request_and_the_choice() {
    let layer = builder().backup(Spare).build().unwrap();
    let named = Named(layer.layer(primary(Behavior::Answers).0));
    assert_eq!(call(named).await.unwrap(), "primary");
}

#[tokio::test]
async fn the_error_type_stays_infallible_with_a_backup() {
    let layer = CircuitBreakerLayer::builder()
        .classify_fn(|status: Result<&u16, &Infallible>| match status {
            Ok(500..) | Err(_) => Outcome::Failure,
            Ok(_) => Outcome::Success,
        })
        .trip_when(tower_breaker::policy::ConsecutiveFailures::of(2))
        .backup(service_fn(|_: u32| async { Ok::<_, Infallible>(203) }))
        .build()
        .unwrap();
    let service = layer.layer(service_fn(|_: u32| async { Ok::<_, Infallible>(503) }));
    let mut answers = Vec::new();
    for _ in 0..3 {
        let Ok(status) = call(service.clone()).await;
        answers.push(status);
    }
    assert_eq!(answers, [503, 503, 203]);
}

/// A request that is neither `Clone` nor `Send`, with a borrow in it.
struct Awkward<'a>(Rc<Cell<u32>>, &'a str);

#[tokio::test]
async fn requests_may_be_borrowed_and_neither_clone_nor_send() {
    let text = "borrowed".to_owned();
    let layer = builder()
        .backup(service_fn(|request: Awkward<'_>| {
            request.0.set(request.0.get() + 100);
            std::future::ready(Ok::<_, BoxError>(request.1.len()))
        }))
        .build()
        .unwrap();
    let mut service = layer.layer(service_fn(|request: Awkward<'_>| {
        request.0.set(request.0.get() + 1);
        std::future::ready(Ok::<_, BoxError>(request.1.len()))
    }));
    let count = Rc::new(Cell::new(0));
    let mut ask = async || {
        service
            .ready()
            .await
            .unwrap()
            .call(Awkward(count.clone(), &text))
            .await
            .unwrap()
    };
    assert_eq!(ask().await, 8);
    trip(layer.breaker());
    assert_eq!(ask().await, 8);
    assert_eq!(count.get(), 101);
}

#[tokio::test]
async fn an_error_that_knows_a_rejection_needs_no_box() {
    #[derive(Debug)]
    enum Failed {
        Open(CircuitOpen),
    }
    impl From<CircuitOpen> for Failed {
        fn from(open: CircuitOpen) -> Self {
            Self::Open(open)
        }
    }
    let layer = builder().name("typed").build().unwrap();
    trip(layer.breaker());
    let service = layer.layer(service_fn(|_: u32| async { Ok::<(), Failed>(()) }));
    let Failed::Open(open) = call(service).await.unwrap_err();
    assert_eq!(open.breaker(), "typed");
    assert!(
        open.to_string()
            .starts_with("the circuit breaker \"typed\" is open, try again in ")
    );
}

#[tokio::test]
async fn a_chain_of_backups_falls_through_to_the_last() {
    let second = builder().name("second").backup(Spare).build().unwrap();
    let first = builder()
        .name("first")
        .backup(second.layer(primary(Behavior::Fails).0))
        .build()
        .unwrap();
    let service = first.layer(primary(Behavior::Fails).0);
    let mut answered = 0;
    for _ in 0..10 {
        answered += u32::from(call(service.clone()).await.is_ok());
    }
    assert_eq!([first.breaker().state(), second.breaker().state()], [State::Open; 2]);
    assert_eq!(answered, 10 - 6, "three failures each, and then the last one's answers");
}

/// Settles when the response is dropped, as a body's end would.
#[derive(Clone)]
struct AtTheEnd;

struct Guarded {
    text: &'static str,
    permit: Option<Permit>,
}

impl Guarded {
    fn finish(mut self) -> &'static str {
        if let Some(permit) = self.permit.take() {
            permit.record(Outcome::Failure);
        }
        self.text
    }
}

impl<Req> Classify<Req, &'static str, BoxError> for AtTheEnd {
    type Response = Guarded;

    fn response(&self, text: &'static str, permit: Permit) -> Guarded {
        Guarded {
            text,
            permit: Some(permit),
        }
    }

    fn error(&self, _: &BoxError, permit: Permit) {
        permit.record(Outcome::Failure);
    }
}

#[tokio::test]
async fn a_classifier_may_settle_when_the_response_ends() {
    let layer = builder().classify(AtTheEnd).backup(Spare).build().unwrap();
    let service = layer.layer(primary(Behavior::Answers).0);
    for _ in 0..3 {
        assert_eq!(layer.breaker().state(), State::Closed);
        let answer = call(service.clone()).await.unwrap();
        assert_eq!(layer.breaker().snapshot().in_flight, 1);
        assert_eq!(answer.finish(), "primary");
    }
    assert_eq!(layer.breaker().state(), State::Open);
    let answer = call(service).await.unwrap();
    assert!(
        answer.permit.as_ref().is_some_and(Permit::is_backup),
        "one type for both answers"
    );
    assert_eq!(answer.finish(), "backup");
    assert_eq!(layer.breaker().snapshot().totals.backup.failed, 1);
}

// Among other middleware: what the README's table says.

#[tokio::test(start_paused = true)]
async fn with_a_timeout_inside_a_hang_is_an_error_and_with_one_outside_it_is_slow() {
    let hanging = || primary(Behavior::Hangs).0;
    let inside = builder().build().unwrap();
    let service = ServiceBuilder::new()
        .layer(inside.clone())
        .timeout(ms(50))
        .service(hanging());
    for _ in 0..3 {
        assert!(
            call(service.clone())
                .await
                .unwrap_err()
                .is::<tower::timeout::error::Elapsed>()
        );
    }
    assert_eq!(inside.breaker().snapshot().totals.primary.failed, 3);
    let outside = builder().slow_after(ms(40)).build().unwrap();
    let service = ServiceBuilder::new()
        .timeout(ms(50))
        .layer(outside.clone())
        .service(hanging());
    for _ in 0..3 {
        assert!(call(service.clone()).await.is_err());
    }
    assert_eq!(outside.breaker().snapshot().totals.primary.slow, 3);
    assert_eq!([inside.breaker().state(), outside.breaker().state()], [State::Open; 2]);
}

#[derive(Clone)]
struct Twice(u32);

impl<Req: Clone, Res> tower::retry::Policy<Req, Res, BoxError> for Twice {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Req, result: &mut Result<Res, BoxError>) -> Option<Self::Future> {
        let again = self.0 > 0 && result.as_ref().is_err_and(|error| !error.is::<CircuitOpen>());
        self.0 -= u32::from(again);
        again.then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn with_retry_outside_each_attempt_counts_and_a_rejection_ends_it() {
    let _ = ExponentialBackoffMaker::default();
    let (primary, control) = primary(Behavior::Fails);
    let layer = builder().build().unwrap();
    let service = Retry::new(Twice(9), layer.layer(primary));
    let error = call(service).await.unwrap_err();
    assert!(error.is::<CircuitOpen>());
    assert_eq!(control.calls(), 3);
}

#[tokio::test]
async fn with_load_shed_inside_shed_calls_are_failures_unless_ignored() {
    let layer = builder()
        .classify_fn(|result: Result<&&'static str, &BoxError>| match result {
            Ok(_) => Outcome::Success,
            Err(error) if error.is::<tower::load_shed::error::Overloaded>() => Outcome::Ignored,
            Err(_) => Outcome::Failure,
        })
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .load_shed()
        .service(primary(Behavior::NeverReady).0);
    for _ in 0..5 {
        assert!(call(service.clone()).await.is_err());
    }
    assert_eq!(layer.breaker().state(), State::Closed);
    assert_eq!(layer.breaker().snapshot().totals.primary.ignored, 5);
}

#[tokio::test(start_paused = true)]
async fn a_balancer_leaves_out_an_endpoint_that_waits() {
    let (healthy, healthy_control) = primary(Behavior::Answers);
    let (sick, sick_control) = primary(Behavior::Fails);
    let endpoints = [healthy, sick].map(|endpoint| {
        let layer = builder().wait().build().unwrap();
        PendingRequests::new(layer.layer(endpoint), CompleteOnResponse::default())
    });
    let mut balance = Balance::new(ServiceList::new::<u32>(endpoints));
    let mut errors = 0;
    for n in 0..200 {
        errors += u32::from(balance.ready().await.unwrap().call(n).await.is_err());
        tokio::time::advance(ms(5)).await;
    }
    assert_eq!(errors, sick_control.calls());
    assert!((3..=5).contains(&errors), "three to trip, and a probe: {errors}");
    assert_eq!(healthy_control.calls() + errors, 200);
}

#[tokio::test]
async fn layering_and_cloning_share_one_breaker() {
    let layer = builder().backup(Spare).build().unwrap();
    // As axum does: a service made anew for each request.
    for _ in 0..3 {
        assert!(call(layer.layer(primary(Behavior::Fails).0)).await.is_err());
    }
    assert_eq!(
        call(layer.clone().layer(primary(Behavior::Fails).0)).await.unwrap(),
        "backup"
    );
}

#[tokio::test]
async fn a_mocked_primary_sees_no_call_while_open() {
    let (primary, mut handle) = tower_test::mock::pair::<u32, &'static str>();
    let layer = builder().backup(Spare).build().unwrap();
    let mut service = layer.layer(primary);
    let first = tokio::spawn(service.ready().await.unwrap().call(7));
    let (request, respond) = handle.next_request().await.unwrap();
    assert_eq!(request, 7);
    respond.send_response("mocked");
    assert_eq!(first.await.unwrap().unwrap(), "mocked");
    trip(layer.breaker());
    assert_eq!(service.ready().await.unwrap().call(8).await.unwrap(), "backup");
    drop(service);
    assert!(handle.next_request().await.is_none(), "it saw one call");
}

#[test]
fn futures_and_services_are_send_and_sync_where_their_parts_are() {
    fn send<T: Send>(_: &T) {}
    fn send_and_sync<T: Send + Sync + 'static>(_: &T) {}
    let layer = builder().backup(Spare).build().unwrap();
    let mut service = layer.layer(primary(Behavior::Answers).0);
    send_and_sync(&layer);
    send_and_sync(&service);
    send_and_sync(layer.breaker());
    send(&service.call(1));
    send_and_sync(&builder().wait().build().unwrap().layer(primary(Behavior::Answers).0));
}
