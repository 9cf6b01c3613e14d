//! The Tower face of a breaker: the layer, its builder, and the service that the layer makes.

mod builder;
mod future;
pub(crate) mod panics;
pub(crate) mod readiness;
mod service;

use tower::Layer;

pub use self::{
    builder::CircuitBreakerLayerBuilder,
    future::{ResponseFuture, Waiting},
    service::CircuitBreaker,
};
#[cfg(feature = "keyed")]
pub(crate) use self::{builder::LayerParts, future::CallFuture};
use crate::{breaker::Breaker, classify::ErrorsAsFailures, on_open::Reject};

/// Puts a circuit breaker around a service. One layer is one breaker: all that it wraps, and its clones, share the state.
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
/// use tower_breaker::CircuitBreakerLayer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let payments = service_fn(|order: u32| async move { Ok::<_, Infallible>(format!("order {order} paid")) });
/// let cached_payments = service_fn(|order: u32| async move { Ok(format!("order {order} noted")) });
///
/// let layer = CircuitBreakerLayer::builder()
///     .name("payments")
///     .slow_after(Duration::from_millis(300))
///     .backup(cached_payments)
///     .build()?;
/// let breaker = layer.breaker().clone();
/// let mut service = ServiceBuilder::new().layer(layer).service(payments);
///
/// assert_eq!(service.ready().await?.call(1).await?, "order 1 paid");
/// breaker.force_open("an example", None);
/// assert_eq!(service.ready().await?.call(2).await?, "order 2 noted");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CircuitBreakerLayer<B = Reject, C = ErrorsAsFailures> {
    breaker: Breaker,
    on_open: B,
    classify: C,
}

impl CircuitBreakerLayer {
    /// Starts from the defaults: the breaker is called "breaker", errors are failures, and calls are rejected while it is open.
    pub fn builder() -> CircuitBreakerLayerBuilder {
        CircuitBreakerLayerBuilder::new(())
    }
}

impl<B, C> CircuitBreakerLayer<B, C> {
    pub(crate) fn new(breaker: Breaker, on_open: B, classify: C) -> Self {
        Self {
            breaker,
            on_open,
            classify,
        }
    }

    /// The breaker's handle: state, snapshot, events, manual control.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

impl<S, B: Clone, C: Clone> Layer<S> for CircuitBreakerLayer<B, C> {
    type Service = CircuitBreaker<S, B, C>;

    fn layer(&self, primary: S) -> Self::Service {
        CircuitBreaker::new(
            primary,
            self.breaker.clone(),
            self.on_open.clone(),
            self.classify.clone(),
        )
    }
}
