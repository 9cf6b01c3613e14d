//! `CloneRequests` retains requests that aren't `Clone`.

use std::io;

use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::{
    CircuitBreakerLayer,
    on_open::{CloneRequests, FailOverBudget},
};

#[cfg_attr(feature = "mended", derive(Clone))]
struct Order;

fn serve(_: impl Service<Order>) {}

fn main() {
    let client = service_fn(|_: Order| async { Ok::<_, io::Error>(1) });
    let layer = CircuitBreakerLayer::builder()
        .backup(client)
        .fail_over(CloneRequests, FailOverBudget::default())
        .build()
        .unwrap();
    serve(ServiceBuilder::new().layer(layer).service(client));
}
