//! Breakers as the endpoints of tower's balancer.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use futures::channel::mpsc::{UnboundedSender, unbounded};
use tokio::{task::JoinSet, time::sleep};
use tower::{
    BoxError, Layer, Service, ServiceExt,
    balance::p2c::Balance,
    discover::Change,
    load::{CompleteOnResponse, PendingRequests},
    service_fn,
    util::BoxService,
};
use tower_breaker::{Breaker, CircuitBreakerLayer, State};

use crate::support::*;

type Endpoint = PendingRequests<BoxService<(), usize, BoxError>>;

/// A server that answers with its number after 10 ms, or fails.
#[derive(Clone)]
struct Instance {
    number: usize,
    is_sick: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    breaker: Breaker,
    layer: CircuitBreakerLayer<tower_breaker::on_open::Wait>,
}

impl Instance {
    fn new(number: usize) -> Self {
        let layer = CircuitBreakerLayer::builder()
            .name(format!("instance {number}"))
            .seed(number as u64)
            .wait()
            .build()
            .unwrap();
        Self {
            number,
            is_sick: Arc::default(),
            calls: Arc::default(),
            breaker: layer.breaker().clone(),
            layer,
        }
    }

    fn endpoint(&self) -> Endpoint {
        let (number, is_sick, calls) = (self.number, self.is_sick.clone(), self.calls.clone());
        let server = service_fn(move |()| {
            calls.fetch_add(1, Ordering::Relaxed);
            let is_sick = is_sick.load(Ordering::Relaxed);
            async move {
                sleep(ms(10)).await;
                if is_sick {
                    Err(BoxError::from("it is sick"))
                } else {
                    Ok(number)
                }
            }
        });
        let service = BoxService::new(self.layer.layer(server));
        PendingRequests::new(service, CompleteOnResponse::default())
    }

    fn make_sick(&self, sick: bool) {
        self.is_sick.store(sick, Ordering::Relaxed);
    }

    /// The calls since this was last asked.
    fn take_calls(&self) -> u64 {
        self.calls.swap(0, Ordering::Relaxed)
    }
}

type Found = UnboundedSender<Result<Change<usize, Endpoint>, Infallible>>;

/// A balancer, and where it learns of instances that come and go.
fn balancer(
    instances: &[Instance],
) -> (
    impl Service<(), Response = usize, Error = BoxError, Future: Send + 'static> + use<>,
    Found,
) {
    let (found, discover) = unbounded();
    for instance in instances {
        insert(&found, instance);
    }
    (Balance::new(discover), found)
}

fn insert(found: &Found, instance: &Instance) {
    found
        .unbounded_send(Ok(Change::Insert(instance.number, instance.endpoint())))
        .unwrap();
}

/// A thousand calls a second; how many failed.
async fn traffic<S>(service: &mut S, calls: u32) -> usize
where
    S: Service<(), Response = usize, Error = BoxError, Future: Send + 'static>,
{
    let mut answers = JoinSet::new();
    for _ in 0..calls {
        answers.spawn(service.ready().await.unwrap().call(()));
        sleep(ms(1)).await;
    }
    let answers = answers.join_all().await;
    answers.iter().filter(|answer| answer.is_err()).count()
}

#[tokio::test(start_paused = true)]
async fn one_sick_instance_of_five_gets_probes_only_and_its_share_back_gradually() {
    let instances: Vec<_> = (0..5).map(Instance::new).collect();
    let (mut service, _found) = balancer(&instances);
    assert_eq!(traffic(&mut service, 1000).await, 0);
    let shares: Vec<_> = instances.iter().map(Instance::take_calls).collect();
    assert!(shares.iter().all(|calls| (100..300).contains(calls)), "{shares:?}");

    let sick = &instances[2];
    sick.make_sick(true);
    let lost = traffic(&mut service, 1000).await;
    assert_eq!(sick.breaker.state(), State::Open);
    // Half a second of its share, until the evidence has lasted.
    assert!((50..200).contains(&lost), "{lost}");

    sick.take_calls();
    let lost = traffic(&mut service, 20_000).await;
    let probes = sick.take_calls();
    assert!(
        (5..=20).contains(&probes) && lost == probes as usize,
        "{probes} probes, {lost} lost"
    );

    sick.make_sick(false);
    let mut shares = Vec::new();
    while sick.breaker.snapshot().share < 100 {
        let share = sick.breaker.snapshot().share;
        if shares.last() != Some(&share) {
            shares.push(share);
        }
        assert_eq!(traffic(&mut service, 10).await, 0);
        assert!(shares.len() < 10);
    }
    assert_eq!(shares, [0, 20, 40, 80]);
    sick.take_calls();
    assert_eq!(traffic(&mut service, 3000).await, 0);
    assert_eq!(sick.breaker.state(), State::Closed);
    let calls = sick.take_calls();
    assert!((400..800).contains(&calls), "{calls}");
}

#[tokio::test(start_paused = true)]
async fn instances_come_and_go_while_traffic_flows() {
    let mut instances: Vec<_> = (0..3).map(Instance::new).collect();
    let (mut service, found) = balancer(&instances);
    for number in 3..20 {
        assert_eq!(traffic(&mut service, 100).await, 0);
        let new = Instance::new(number);
        insert(&found, &new);
        instances.push(new);
        let gone = instances.remove(0);
        found.unbounded_send(Ok(Change::Remove(gone.number))).unwrap();
        assert_eq!(traffic(&mut service, 100).await, 0);
        gone.take_calls();
        assert_eq!(traffic(&mut service, 100).await, 0);
        assert_eq!(gone.take_calls(), 0);
    }
    assert!(instances.iter().all(|instance| instance.take_calls() > 0));
}

#[tokio::test(start_paused = true)]
async fn where_all_are_open_callers_wait_for_the_first_that_recovers() {
    let instances: Vec<_> = (0..3).map(Instance::new).collect();
    let (mut service, _found) = balancer(&instances);
    for instance in &instances {
        instance.breaker.trip(disk_is_full());
    }
    let answer = tokio::time::timeout(secs(5), async { service.ready().await.unwrap().call(()).await });
    answer.await.expect("the first to recover answers").unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_hangs_costs_a_handful_of_calls() {
    let instances: Vec<_> = (0..3).map(Instance::new).collect();
    let hanging = CircuitBreakerLayer::builder()
        .name("hanging")
        .slow_after(ms(100))
        .wait()
        .build()
        .unwrap();
    let (mut service, found) = balancer(&instances);
    let calls = Arc::new(AtomicU64::new(0));
    let counted = calls.clone();
    let server = service_fn(move |()| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::pending::<Result<usize, BoxError>>()
    });
    let endpoint = PendingRequests::new(BoxService::new(hanging.layer(server)), CompleteOnResponse::default());
    found.unbounded_send(Ok(Change::Insert(99, endpoint))).unwrap();
    let mut answers = JoinSet::new();
    for _ in 0..5000 {
        answers.spawn(service.ready().await.unwrap().call(()));
        sleep(ms(1)).await;
    }
    // The balancer avoids it by its load, before the breaker has seen enough to trip; what is in
    // flight there never ends.
    assert!((1..=10).contains(&calls.load(Ordering::Relaxed)), "{calls:?}");
    // A snapshot changes nothing, so what is overdue is found by a call, and the balancer may not
    // have asked again.
    drop(hanging.breaker().try_acquire());
    assert!(hanging.breaker().snapshot().totals.primary.slow > 0);
}
