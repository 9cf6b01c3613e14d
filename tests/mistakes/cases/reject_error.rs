//! The error isn't `From<CircuitOpen>`, so that no rejection can be one.

use std::io;

use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::CircuitBreakerLayer;

fn serve(_: impl Service<u32>) {}

fn main() {
    let client = service_fn(|request: u32| async move { Ok::<_, io::Error>(request) });
    let service = ServiceBuilder::new().layer(CircuitBreakerLayer::new("client"));
    #[cfg(feature = "mended")]
    let service = service.map_err(tower::BoxError::from);
    serve(service.service(client));
}
