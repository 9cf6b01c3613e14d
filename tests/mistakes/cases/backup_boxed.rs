//! As `backup_response`, but the backup's type says what it answers with.

use tower::{BoxError, Service, ServiceBuilder, service_fn, util::BoxCloneService};
use tower_breaker::CircuitBreakerLayer;

fn serve(_: impl Service<u32>) {}

fn main() {
    let client = service_fn(|request: u32| async move { Ok::<_, BoxError>(request) });
    let backup = BoxCloneService::new(service_fn(|_: u32| async { Ok::<_, BoxError>("0") }));
    #[cfg(feature = "mended")]
    let backup = tower::ServiceExt::map_response(backup, |text: &str| text.parse::<u32>().unwrap());
    let layer = CircuitBreakerLayer::builder().backup(backup).build().unwrap();
    serve(ServiceBuilder::new().layer(layer).service(client));
}
