//! What the builder has in addition for a breaker per key: the key, how many, and for how long.

use std::{fmt, hash::Hash, marker::PhantomData, time::Duration};

use super::{
    KeyedCircuitBreakerLayer, name,
    store::{Store, StoreConfig},
};
use crate::{
    classify::ErrorsAsFailures,
    config::LONGEST_NAME,
    layer::{CircuitBreakerLayer, CircuitBreakerLayerBuilder, LayerParts},
    machine::ConfigError,
    on_open::Reject,
};

/// What a [`CircuitBreakerLayerBuilder`] of a breaker per key knows of the keys: `F` makes a key
/// `K` of a request.
#[derive(Clone)]
pub struct ByKey<F, K> {
    key: F,
    max_keys: usize,
    idle_after: Duration,
    makes: PhantomData<fn() -> K>,
}

impl CircuitBreakerLayer {
    /// Starts to build a layer like [`builder`](Self::builder), but with a breaker for each key
    /// that `key` makes of a request: a host, a route, a tenant, a shard. A key that fails then
    /// takes down no other.
    ///
    /// `key` is called for each request. A key that is cheap to make and to clone, such as an
    /// `http::uri::Authority`, a number or an `Arc<str>`, keeps calls cheap. Each breaker's name is
    /// the layer's with the key in brackets, as `Debug` writes it: `hosts["a.example"]`.
    ///
    /// Up to [`max_keys`](CircuitBreakerLayerBuilder::max_keys) keys have a breaker of their own.
    /// [Idle](CircuitBreakerLayerBuilder::idle_after) ones make room for new ones.
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
    pub fn keyed<Req, K, F>(key: F) -> CircuitBreakerLayerBuilder<Reject, ErrorsAsFailures, ByKey<F, K>>
    where
        F: Fn(&Req) -> K,
        K: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
    {
        CircuitBreakerLayerBuilder::new(ByKey::new(key))
    }
}

impl<F, K> ByKey<F, K> {
    fn new(key: F) -> Self {
        Self {
            key,
            max_keys: 10_000,
            idle_after: Duration::from_secs(600),
            makes: PhantomData,
        }
    }
}

impl<F, K> fmt::Debug for ByKey<F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByKey")
            .field("max_keys", &self.max_keys)
            .field("idle_after", &self.idle_after)
            .finish_non_exhaustive()
    }
}

impl<B, C, F, K> CircuitBreakerLayerBuilder<B, C, ByKey<F, K>>
where
    K: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
{
    /// Sets how many keys have a breaker of their own. Those beyond share one, the
    /// [overflow](super::Breakers::overflow). At least 1. Default: 10,000.
    pub fn max_keys(mut self, max_keys: usize) -> Self {
        self.keys.max_keys = max_keys;
        self
    }

    /// Sets for how long a key is unused, at least, before its breaker is evicted in favor of new
    /// ones. A breaker stays while it isn't closed, has calls in flight, or is under manual
    /// control. From 1 second to 365 days. Default: 10 minutes.
    pub fn idle_after(mut self, idle_after: Duration) -> Self {
        self.keys.idle_after = idle_after;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range or contradicts another: which field, its
    /// value, and what would be accepted.
    pub fn build(self) -> Result<KeyedCircuitBreakerLayer<F, K, B, C>, ConfigError> {
        let LayerParts {
            on_open,
            classify,
            keys,
            factory,
            config,
            seed,
            registry,
        } = self.into_parts()?;
        let ByKey {
            key,
            max_keys,
            idle_after,
            makes: PhantomData,
        } = keys;
        if max_keys == 0 {
            return Err(ConfigError::out_of_range("max_keys", 0, "1 or more"));
        }
        ConfigError::check_duration("idle_after", idle_after)?;
        if idle_after < Duration::from_secs(1) {
            return Err(ConfigError::out_of_range(
                "idle_after",
                format!("{idle_after:?}"),
                "at least 1 second",
            ));
        }
        config.check()?;
        let longest = LONGEST_NAME - name::RESERVED - "[".len();
        if config.name().len() > longest {
            return Err(ConfigError::out_of_range(
                "name",
                format!("{} bytes long", config.name().len()),
                format!("1 to {longest} bytes long (the key has to fit in as well)"),
            ));
        }
        let store = Store::new(StoreConfig {
            factory,
            config,
            seed,
            registry,
            max_keys,
            idle_after,
        })?;
        Ok(KeyedCircuitBreakerLayer::new(key, store, on_open, classify))
    }
}
