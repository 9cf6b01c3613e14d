//! The closure responds with text, the primary with a number.

use std::io;

use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::{CircuitBreakerLayer, CircuitOpen};

fn serve(_: impl Service<u32>) {}

fn main() {
    let client = service_fn(|request: u32| async move { Ok::<_, io::Error>(request) });
    let layer = CircuitBreakerLayer::builder();
    #[cfg(not(feature = "mended"))]
    let layer = layer.respond(|_: u32, open: CircuitOpen| open.to_string());
    #[cfg(feature = "mended")]
    let layer = layer.respond(|_: u32, _: CircuitOpen| 0);
    serve(ServiceBuilder::new().layer(layer.build().unwrap()).service(client));
}
