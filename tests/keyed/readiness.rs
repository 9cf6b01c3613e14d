use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::future::{Ready, ready};
use tokio::time::{sleep, timeout};
use tower::{BoxError, Layer, Service, ServiceExt, buffer::Buffer, limit::ConcurrencyLimit, service_fn};
use tower_breaker::State;

use crate::common::{durations::*, keyed::*};

/// Never ready, or fails in getting there.
#[derive(Clone)]
struct Unready {
    fails: bool,
    polls: Arc<AtomicU32>,
}

impl Service<Request> for Unready {
    type Response = &'static str;
    type Error = BoxError;
    type Future = Ready<Result<&'static str, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        if self.fails {
            Poll::Ready(Err("not ready".into()))
        } else {
            Poll::Pending
        }
    }

    fn call(&mut self, _: Request) -> Self::Future {
        ready(Err("called unready".into()))
    }
}

fn unready(fails: bool) -> Unready {
    Unready {
        fails,
        polls: Arc::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_key_never_waits_for_the_primary() {
    let layer = keyed()
        .backup(service_fn(|_| async { Ok::<_, BoxError>("backup") }))
        .build()
        .unwrap();
    send(&layer.layer(primary()), good("a")).await;
    layer.breakers().get(&"a").unwrap().force_open("an example", None);
    let service = layer.layer(unready(false));
    let answer = timeout(ms(1), send(&service, good("a"))).await;
    assert_eq!(answer.unwrap(), Reply::Answer("backup"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_the_primary_goes_to_the_backup_when_its_key_trips() {
    let layer = keyed()
        .backup(service_fn(|_| async { Ok::<_, BoxError>("backup") }))
        .build()
        .unwrap();
    let service = layer.layer(unready(false));
    let waiting = send(&service, good("a"));
    let mut waiting = std::pin::pin!(waiting);
    assert!(timeout(ms(10), &mut waiting).await.is_err());
    layer.breakers().get(&"a").unwrap().force_open("an example", None);
    assert_eq!(waiting.await, Reply::Answer("backup"));
}

#[tokio::test(start_paused = true)]
async fn failed_readiness_is_the_failure_of_the_key_that_called() {
    let layer = keyed().build().unwrap();
    let service = layer.layer(unready(true));
    for _ in 0..3 {
        assert_eq!(send(&service, good("a")).await, Reply::Failure);
    }
    assert_eq!(send(&service, good("a")).await, Reply::Refusal);
    let breaker = layer.breakers().get(&"a").unwrap();
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot().totals.readiness.errors, 3);
}

#[tokio::test(start_paused = true)]
async fn with_a_backup_failed_readiness_surfaces_to_no_caller() {
    let layer = keyed()
        .backup(service_fn(|_| async { Ok::<_, BoxError>("backup") }))
        .build()
        .unwrap();
    let service = layer.layer(unready(true));
    for _ in 0..5 {
        assert_eq!(send(&service, good("a")).await, Reply::Answer("backup"));
    }
    assert_eq!(layer.breakers().get(&"a").unwrap().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_gives_back_the_slot_that_it_was_ready_for() {
    let layer = keyed().build().unwrap();
    send(&layer.layer(primary()), good("a")).await;
    layer.breakers().get(&"a").unwrap().force_open("an example", None);
    let mut service = layer.layer(ConcurrencyLimit::new(primary(), 1));
    let mut other = service.clone();
    service.ready().await.unwrap();
    // The service lives on, and doesn't keep the only slot.
    assert!(service.call(good("a")).await.is_err());
    let answer = timeout(ms(1), async { other.ready().await.unwrap().call(good("b")).await });
    assert_eq!(answer.await.expect("the slot is free").unwrap(), "primary");
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_a_slot_get_it_in_turn() {
    let layer = keyed().build().unwrap();
    let slow = service_fn(|Request(key, _)| async move {
        sleep(Duration::from_secs(1)).await;
        Ok::<_, BoxError>(key)
    });
    let service = layer.layer(ConcurrencyLimit::new(slow, 1));
    let calls = ["a", "b", "a", "b"].map(|key| {
        let service = service.clone();
        async move { send(&service, good(key)).await }
    });
    let all = timeout(secs(5), futures::future::join_all(calls)).await.unwrap();
    assert_eq!(all, ["a", "b", "a", "b"].map(Reply::Answer));
}

#[tokio::test(start_paused = true)]
async fn it_works_around_a_buffer() {
    let layer = keyed().build().unwrap();
    let service = layer.layer(Buffer::new(primary(), 4));
    for _ in 0..3 {
        assert_eq!(send(&service, bad("a")).await, Reply::Failure);
    }
    for _ in 0..10 {
        assert_eq!(send(&service, good("a")).await, Reply::Refusal);
        assert_eq!(send(&service, good("b")).await, Reply::Answer("primary"));
    }
}
