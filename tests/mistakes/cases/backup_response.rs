//! The backup answers with text, the primary with a number.

use std::io;

use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::CircuitBreakerLayer;

fn serve(_: impl Service<u32>) {}

fn main() {
    let client = service_fn(|request: u32| async move { Ok::<_, io::Error>(request) });
    #[cfg(not(feature = "mended"))]
    let backup = service_fn(|_: u32| async { Ok::<_, io::Error>("cached") });
    #[cfg(feature = "mended")]
    let backup = service_fn(|_: u32| async { Ok::<_, io::Error>(0) });
    let layer = CircuitBreakerLayer::builder().backup(backup).build().unwrap();
    serve(ServiceBuilder::new().layer(layer).service(client));
}
