//! What the tests share.

use std::{
    future::{Future, Ready, ready},
    sync::{Arc, Mutex},
    time::Duration,
};

use tower::{BoxError, Service, ServiceExt, service_fn};
use tower_breaker::{
    Breaker, CircuitBreakerLayer, CircuitOpen, Event, Outcome,
    classify::ErrorsAsFailures,
    group::{Group, GroupBuilder},
    keyed::ByKey,
    layer::CircuitBreakerLayerBuilder,
    on_open::Reject,
    policy::{ConsecutiveFailures, TripReason},
};

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Whose it is, and whether it is to fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request(pub(crate) &'static str, pub(crate) bool);

pub(crate) fn good(key: &'static str) -> Request {
    Request(key, true)
}

pub(crate) fn bad(key: &'static str) -> Request {
    Request(key, false)
}

pub(crate) type KeyOf = fn(&Request) -> &'static str;

/// A breaker for each key, which trips at the third bad call in a row and stays open for a second.
pub(crate) fn keyed() -> CircuitBreakerLayerBuilder<Reject, ErrorsAsFailures, ByKey<KeyOf, &'static str>> {
    let key: KeyOf = |request| request.0;
    CircuitBreakerLayer::keyed(key)
        .name("hosts")
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(ms(1000))
}

/// Does as the request says.
pub(crate) fn primary() -> impl Service<Request, Response = &'static str, Error = BoxError, Future: Send> + Clone + Send
{
    service_fn(|Request(_, is_good)| -> Ready<Result<&'static str, BoxError>> {
        ready(if is_good { Ok("primary") } else { Err("it fails".into()) })
    })
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Answer(&'static str),
    Failure,
    Refusal,
}

pub(crate) async fn send<S>(service: &S, request: Request) -> Got
where
    S: Service<Request, Response = &'static str, Error = BoxError, Future: Future> + Clone,
{
    match service.clone().oneshot(request).await {
        Ok(answer) => Got::Answer(answer),
        Err(error) if error.is::<CircuitOpen>() => Got::Refusal,
        Err(_) => Got::Failure,
    }
}

/// As [`keyed`], one alone.
pub(crate) fn builder(name: &'static str) -> CircuitBreakerLayerBuilder {
    CircuitBreakerLayer::builder()
        .name(name)
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(ms(1000))
}

pub(crate) fn call(breaker: &Breaker, outcome: Outcome) {
    breaker.try_acquire().expect("it lets calls through").record(outcome);
}

/// Whether three bad calls made it open.
pub(crate) fn trips(breaker: &Breaker) -> bool {
    for _ in 0..3 {
        call(breaker, Outcome::Failure);
    }
    breaker.try_acquire().is_err()
}

/// Breakers of a group, with names of their own.
pub(crate) fn members(group: GroupBuilder, count: usize) -> (Group, Vec<Breaker>) {
    const NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let group = group.build().unwrap();
    let layer = |name: &&'static str| builder(name).group(&group).build().unwrap();
    let breakers = NAMES[..count].iter().map(|name| layer(name).breaker().clone());
    let breakers = breakers.collect();
    (group, breakers)
}

/// What was said, in lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn observer(&self) -> impl Fn(&Event) + Send + Sync + use<> {
        let lines = self.0.clone();
        move |event| lines.lock().unwrap().push(event.to_string())
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

pub(crate) fn by_hand() -> TripReason {
    TripReason::custom("disk", 99.0, 95.0)
}
