//! A breaker for each key, and the requests that name a key.

use std::future::{Future, Ready, ready};

use tower::{BoxError, Service, ServiceExt, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, CircuitOpen, classify::ErrorsAsFailures, keyed::ByKey, layer::CircuitBreakerLayerBuilder,
    on_open::Reject, policy::ConsecutiveFailures,
};

use super::durations::ms;

/// A request with a key, which succeeds or not.
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

/// A primary that succeeds or fails like the request says.
pub(crate) fn primary() -> impl Service<Request, Response = &'static str, Error = BoxError, Future: Send> + Clone + Send
{
    service_fn(|Request(_, is_good)| -> Ready<Result<&'static str, BoxError>> {
        ready(if is_good { Ok("primary") } else { Err("it fails".into()) })
    })
}

/// What the caller of a key gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Answer(&'static str),
    Failure,
    Refusal,
}

pub(crate) async fn send<S>(service: &S, request: Request) -> Reply
where
    S: Service<Request, Response = &'static str, Error = BoxError, Future: Future> + Clone,
{
    match service.clone().oneshot(request).await {
        Ok(answer) => Reply::Answer(answer),
        Err(error) if error.is::<CircuitOpen>() => Reply::Refusal,
        Err(_) => Reply::Failure,
    }
}
