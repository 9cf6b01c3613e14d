//! What a breaker for each of very many keys takes.

use std::{hint::black_box, time::Instant};

use allocation_counter::measure;
use tower::{Layer, Service};
use tower_breaker::{CircuitBreakerLayer, config::SlowAfter};

use crate::primary::{Request, Steady};

/// Of so many keys.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    pub keys: u64,
    /// Live on the heap, all of it, divided by the keys; the first ones have more, for their calls don't share a lock.
    pub bytes_a_key: f64,
    pub ns_to_add: f64,
    /// A call of a key that is there: one after the other, so that none is in a cache if there are many.
    pub ns_a_call: f64,
}

/// What the README says that a key takes at most.
pub const STATED_BYTES: f64 = 2500.0;

/// Calls a service once with each key, then once more.
#[must_use]
pub fn measured(keys: u64) -> Keys {
    // A thousand before these, which have what the first ones have more.
    let first = 1000;
    let mut kept = None;
    let mut times = [0.0; 2];
    let allocated = {
        let layer = CircuitBreakerLayer::keyed(|request: &(u64, Request)| request.0)
            .slow_after(SlowAfter::Never)
            .max_keys((first + keys) as usize)
            .build()
            .expect("the settings are within bounds");
        let mut service = layer.layer(Answering);
        calls(&mut service, 0..first);
        measure(|| {
            for time in &mut times {
                let start = Instant::now();
                calls(&mut service, first..first + keys);
                *time = start.elapsed().as_nanos() as f64 / keys as f64;
            }
            kept = Some(service);
        })
    };
    drop(kept);
    Keys {
        keys,
        bytes_a_key: allocated.bytes_current as f64 / keys as f64,
        ns_to_add: times[0],
        ns_a_call: times[1],
    }
}

fn calls<S: Service<(u64, Request)>>(service: &mut S, keys: std::ops::Range<u64>) {
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
    for key in keys {
        let _ = service.poll_ready(cx);
        let future = std::pin::pin!(service.call((key, Request::Succeed)));
        let _ = black_box(future.poll(cx));
    }
}

/// [`Steady`], for requests that have a key.
#[derive(Clone, Copy, Debug)]
struct Answering;

impl Service<(u64, Request)> for Answering {
    type Response = <Steady as Service<Request>>::Response;
    type Error = <Steady as Service<Request>>::Error;
    type Future = <Steady as Service<Request>>::Future;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, (_, request): (u64, Request)) -> Self::Future {
        Steady.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_no_more_than_is_stated() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _in_runtime = runtime.enter();
        let Keys { bytes_a_key, .. } = measured(20_000);
        assert!((500.0..=STATED_BYTES).contains(&bytes_a_key), "{bytes_a_key}");
    }
}
