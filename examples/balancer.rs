//! A balancer over five instances, each behind its own breaker.
//!
//! Shows `wait`, which makes an endpoint with an open breaker not ready, so that `tower::balance`
//! picks another one; and a group, which limits how many of the breakers may be open.
//!
//! Run it with `cargo run --example balancer`. It takes about eight seconds, with 500 requests in
//! each. Instance 3 fails from second 1 to second 3. In second 6, instance 6 replaces instance 1.
//! Each line shows how many requests each instance got. It exits with an error if users saw more
//! errors than the breaker should let through.

use std::{
    convert::Infallible,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::channel::mpsc::unbounded;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tower::{
    BoxError, Layer, Service, ServiceExt,
    balance::p2c::Balance,
    discover::Change,
    load::{CompleteOnResponse, PendingRequests},
    service_fn,
    util::BoxService,
};
use tower_breaker::{Breaker, CircuitBreakerLayer, ConfigError, State, group::Group};

type Endpoint = PendingRequests<BoxService<(), (), BoxError>>;

/// A server in this process that answers after 5 ms.
struct Instance {
    number: usize,
    breaker: Breaker,
    is_sick: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
}

/// Builds an endpoint of the balancer. With `wait`, an open endpoint isn't ready, and the balancer
/// picks another one. The group lets at most half of its breakers trip.
fn endpoint(number: usize, group: &Group) -> Result<(Instance, Endpoint), ConfigError> {
    let layer = CircuitBreakerLayer::builder()
        .name(format!("instance {number}"))
        .slow_after(Duration::from_millis(300))
        .group(group)
        .wait()
        .on_event(|event| println!("  {event}"))
        .build()?;
    let instance = Instance {
        number,
        breaker: layer.breaker().clone(),
        is_sick: Arc::default(),
        requests: Arc::default(),
    };
    let service = BoxService::new(layer.layer(instance.server()));
    Ok((instance, PendingRequests::new(service, CompleteOnResponse::default())))
}

impl Instance {
    fn server(&self) -> impl Service<(), Response = (), Error = BoxError, Future: Send> + Clone + Send + use<> {
        let (is_sick, requests) = (self.is_sick.clone(), self.requests.clone());
        service_fn(move |()| {
            requests.fetch_add(1, Ordering::Relaxed);
            let is_sick = is_sick.load(Ordering::Relaxed);
            async move {
                sleep(Duration::from_millis(5)).await;
                if is_sick { Err("it is sick".into()) } else { Ok(()) }
            }
        })
    }

    fn state(&self) -> String {
        let share = self.breaker.snapshot().share;
        match self.breaker.state() {
            State::HalfOpen => format!("{share} %"),
            state => state.to_string(),
        }
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let group = Group::builder().build()?;
    let (found, discovered) = unbounded::<Result<_, Infallible>>();
    let insert = |number| -> Result<Instance, BoxError> {
        let (instance, endpoint) = endpoint(number, &group)?;
        found.unbounded_send(Ok(Change::Insert(number, endpoint)))?;
        Ok(instance)
    };
    let mut instances = (1..=5).map(insert).collect::<Result<Vec<_>, _>>()?;
    let mut balancer = Balance::new(discovered);

    let mut errors = 0;
    for second in 0..8 {
        match second {
            1 => instances[2].is_sick.store(true, Ordering::Relaxed),
            3 => instances[2].is_sick.store(false, Ordering::Relaxed),
            6 => {
                let gone = instances.remove(0);
                found.unbounded_send(Ok(Change::Remove(gone.number)))?;
                instances.push(insert(6)?);
            }
            _ => {}
        }
        let mut answers = JoinSet::new();
        let mut pace = interval(Duration::from_millis(2));
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..500 {
            pace.tick().await;
            answers.spawn(balancer.ready().await?.call(()));
        }
        errors += answers.join_all().await.iter().filter(|answer| answer.is_err()).count();
        let line: Vec<String> = instances
            .iter()
            .map(|instance| {
                let requests = instance.requests.swap(0, Ordering::Relaxed);
                format!("{}: {requests:3} ({})", instance.number, instance.state())
            })
            .collect();
        println!("second {second}  {}", line.join("   "));
    }

    // The calls of one instance for half a second, until it trips, and its probes.
    println!("{errors} of 4000 requests failed");
    Ok(
        if errors <= 150 && instances.iter().all(|one| one.breaker.state() == State::Closed) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        },
    )
}
