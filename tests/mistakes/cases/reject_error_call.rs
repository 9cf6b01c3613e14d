//! As `reject_error`, but the service is called, which is where the compiler doesn't say why.

use std::io;

use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_breaker::CircuitBreakerLayer;

fn main() {
    let client = service_fn(|request: u32| async move { Ok::<_, io::Error>(request) });
    let service = ServiceBuilder::new().layer(CircuitBreakerLayer::new("client"));
    #[cfg(feature = "mended")]
    let service = service.map_err(tower::BoxError::from);
    drop(service.service(client).oneshot(1));
}
