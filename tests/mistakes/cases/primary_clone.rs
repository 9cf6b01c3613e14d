//! The primary isn't `Clone`.

use tower::{BoxError, Service, ServiceBuilder, service_fn, util::BoxService};
use tower_breaker::CircuitBreakerLayer;

fn serve(_: impl Service<u32>) {}

fn main() {
    let client = BoxService::new(service_fn(|request: u32| async move { Ok::<_, BoxError>(request) }));
    let service = ServiceBuilder::new().layer(CircuitBreakerLayer::new("client"));
    #[cfg(feature = "mended")]
    let service = service.buffer(16);
    serve(service.service(client));
}
