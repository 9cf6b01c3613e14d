//! The classifier is one for another response.

use tower::{BoxError, Service, ServiceBuilder, service_fn};
use tower_breaker::{CircuitBreakerLayer, Outcome};

fn serve(_: impl Service<u32>) {}

fn main() {
    let client = service_fn(|request: u32| async move { Ok::<_, BoxError>(request) });
    let layer = CircuitBreakerLayer::builder();
    #[cfg(not(feature = "mended"))]
    let layer = layer.classify_fn(|_: Result<&String, &BoxError>| Outcome::Success);
    #[cfg(feature = "mended")]
    let layer = layer.classify_fn(|_: Result<&u32, &BoxError>| Outcome::Success);
    serve(ServiceBuilder::new().layer(layer.build().unwrap()).service(client));
}
