//! Measures what a breaker for each of very many keys takes: memory, and time per call.

use std::{hint::black_box, time::Instant};

use allocation_counter::measure;
use tower::{Layer, Service};
use tower_breaker::{CircuitBreakerLayer, config::SlowAfter};

use crate::primary::{Request, Steady};

/// What was measured with this many keys.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    pub keys: u64,
    /// Live bytes on the heap, divided by the number of keys. The first keys of a layer take more,
    /// because their calls don't share a lock; they are not in this figure.
    pub bytes_a_key: f64,
    pub ns_to_add: f64,
    /// Nanoseconds for a call of a key that exists. Keys are called in order, so that with many
    /// keys none is in a cache.
    pub ns_a_call: f64,
}

/// The most that a key may take, as the README says.
pub const STATED_BYTES: f64 = 2500.0;

/// Calls a service once with each of `keys` keys, then once more.
#[must_use]
pub fn measured(keys: u64) -> Keys {
    // These keys take the larger shape that the first keys of a layer get.
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

/// A service like [`Steady`], but for requests that have a key.
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
