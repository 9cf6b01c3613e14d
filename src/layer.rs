#[cfg(feature = "keyed")]
use std::{fmt, hash::Hash};

use tower::Layer;

#[cfg(feature = "keyed")]
use crate::keyed::ByKey;
use crate::{backup::Reject, breaker::Breaker, builder::Builder, classify::ErrorsAsFailures, service::CircuitBreaker};

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
    pub fn builder() -> Builder {
        Builder::new(())
    }

    /// Starts from the same, but there will be a breaker for each key that `key` makes of a request: a host, a route, a tenant, a shard. One that is
    /// sick then takes down no other.
    ///
    /// It is called for each request: a key that is cheap to make and to clone, such as an `http::uri::Authority`, a number or an `Arc<str>`, keeps
    /// calls cheap. Each breaker's name is the layer's with the key in brackets, as `Debug` writes it: `hosts["a.example"]`.
    ///
    /// Keys have breakers of their own up to [`max_keys`](Builder::max_keys); [idle](Builder::idle_after) ones make room for new ones.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
    /// use tower_breaker::{CircuitBreakerLayer, State};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(Clone)]
    /// struct Order { shard: u16 }
    ///
    /// let layer = CircuitBreakerLayer::keyed(|order: &Order| order.shard)
    ///     .name("orders")
    ///     .backup(service_fn(|_: Order| async { Ok("noted") }))
    ///     .build()?;
    /// let breakers = layer.breakers().clone();
    /// let mut orders = ServiceBuilder::new()
    ///     .layer(layer)
    ///     .service(service_fn(|_: Order| async { Ok::<_, Infallible>("done") }));
    ///
    /// assert_eq!(orders.ready().await?.call(Order { shard: 7 }).await?, "done");
    /// breakers.get(&7).expect("it was used").force_open("shard 7 is being moved", None);
    /// assert_eq!(orders.ready().await?.call(Order { shard: 7 }).await?, "noted");
    /// assert_eq!(orders.ready().await?.call(Order { shard: 8 }).await?, "done");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "keyed")]
    pub fn keyed<Req, K, F>(key: F) -> Builder<Reject, ErrorsAsFailures, ByKey<F, K>>
    where
        F: Fn(&Req) -> K,
        K: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
    {
        Builder::new(ByKey::new(key))
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
