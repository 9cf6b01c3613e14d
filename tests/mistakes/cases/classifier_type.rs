//! The classifier doesn't implement `Classify`.

use tower::{BoxError, Service, ServiceBuilder, service_fn};
use tower_breaker::CircuitBreakerLayer;

#[derive(Clone)]
struct ByNumber;

#[cfg(feature = "mended")]
impl<Req, Err> tower_breaker::classify::Classify<Req, u32, Err> for ByNumber {
    type Response = u32;

    fn response(&self, response: u32, permit: tower_breaker::Permit) -> u32 {
        permit.record(tower_breaker::Outcome::Success);
        response
    }
}

fn serve(_: impl Service<u32>) {}

fn main() {
    let client = service_fn(|request: u32| async move { Ok::<_, BoxError>(request) });
    let layer = CircuitBreakerLayer::builder().classify(ByNumber).build().unwrap();
    serve(ServiceBuilder::new().layer(layer).service(client));
}
