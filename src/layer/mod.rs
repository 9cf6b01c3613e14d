//! The layer, its builder, and the service that the layer makes: how Tower sees a breaker.
//!
//! The layer holds one breaker, and hands a clone of its handle to each service. A service asks the
//! breaker for a permit, and its future ends the permit. `keyed` has the same pair for many
//! breakers, and shares the future, the handle to the primary, and the builder.

mod builder;
pub(crate) mod future;
pub(crate) mod panics;
pub(crate) mod primary;
mod readiness;
mod service;

use std::sync::Arc;

use tower::Layer;

#[cfg(feature = "keyed")]
pub(crate) use self::builder::LayerParts;
pub use self::{builder::CircuitBreakerLayerBuilder, service::CircuitBreaker};
use crate::{
    breaker::Breaker,
    classify::ErrorsAsFailures,
    config::{Config, LONGEST_NAME},
    on_open::Reject,
};

/// A [`Layer`] that puts a circuit breaker around a service.
///
/// One layer is one breaker: all services that it wraps share the state, and so do its clones.
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
/// use tower_breaker::CircuitBreakerLayer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let payments = service_fn(|_order: u32| async { Ok::<_, Infallible>("paid") });
/// let cached_payments = service_fn(|_order: u32| async { Ok("noted") });
///
/// let layer = CircuitBreakerLayer::builder()
///     .name("payments")
///     .slow_after(Duration::from_millis(300))
///     .backup(cached_payments)
///     .build()?;
/// let breaker = layer.breaker().clone();
/// let mut service = ServiceBuilder::new().layer(layer).service(payments);
///
/// assert_eq!(service.ready().await?.call(1).await?, "paid");
/// breaker.force_open("an example", None);
/// assert_eq!(service.ready().await?.call(2).await?, "noted");
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
    /// Returns a layer with the defaults, under this name: errors are failures, and calls are
    /// rejected while the breaker is open.
    ///
    /// It can't fail. A name has 1 to 256 bytes; an empty one becomes "breaker", and a longer one
    /// is cut at the last character that fits. ([`builder`](Self::builder) refuses both.)
    ///
    /// ```
    /// use tower_breaker::CircuitBreakerLayer;
    ///
    /// let layer = CircuitBreakerLayer::new("payments");
    /// assert_eq!(layer.breaker().name(), "payments");
    /// ```
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self::builder()
            .config(Config::new(fitting(name.into())))
            .build()
            .expect("the defaults contradict nothing, and the name was made to fit")
    }

    /// Starts to build a layer from the defaults: the breaker is called "breaker", errors are
    /// failures, and calls are rejected while the breaker is open.
    pub fn builder() -> CircuitBreakerLayerBuilder {
        CircuitBreakerLayerBuilder::new(())
    }
}

impl<B, C> CircuitBreakerLayer<B, C> {
    fn from_parts(breaker: Breaker, on_open: B, classify: C) -> Self {
        Self {
            breaker,
            on_open,
            classify,
        }
    }

    /// Returns the handle to the breaker: its state, snapshot, events and manual control.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

impl Default for CircuitBreakerLayer {
    /// Returns a layer with the defaults, whose breaker is called "breaker".
    fn default() -> Self {
        Self::new("breaker")
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

/// Returns a name that a breaker can have: one of 1 to [`LONGEST_NAME`] bytes.
fn fitting(name: Arc<str>) -> Arc<str> {
    if name.is_empty() {
        return Config::default().name;
    }
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let end = (0..=LONGEST_NAME).rfind(|end| name.is_char_boundary(*end));
    name[..end.unwrap_or(0)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_fit_is_made_to() {
        let longest = "n".repeat(LONGEST_NAME);
        let wide = format!("{}é", "n".repeat(LONGEST_NAME - 1));
        for (given, expected) in [
            ("payments", "payments"),
            ("", "breaker"),
            (&longest, &longest),
            (&format!("{longest}s"), &longest),
            (&wide, &longest[1..]),
        ] {
            assert_eq!(CircuitBreakerLayer::new(given).breaker().name(), expected);
        }
    }
}
