use std::{fmt, hash::Hash, marker::PhantomData, time::Duration};

use super::{KeyedCircuitBreakerLayer, name, store::Plan, store::Store};
use crate::{
    classify::ErrorsAsFailures,
    config::LONGEST_NAME,
    layer::{CircuitBreakerLayer, CircuitBreakerLayerBuilder, LayerParts},
    machine::ConfigError,
    on_open::Reject,
};

/// What a [`CircuitBreakerLayerBuilder`] of a breaker per key has to know of the keys.
#[derive(Clone)]
pub struct ByKey<F, K> {
    key: F,
    max_keys: usize,
    idle_after: Duration,
    of: PhantomData<fn() -> K>,
}

impl CircuitBreakerLayer {
    /// Starts from the defaults, as [`builder`](Self::builder) does, but there will be a breaker for each key that `key` makes of a request: a host, a route, a tenant, a shard. One that is
    /// sick then takes down no other.
    ///
    /// It is called for each request: a key that is cheap to make and to clone, such as an `http::uri::Authority`, a number or an `Arc<str>`, keeps
    /// calls cheap. Each breaker's name is the layer's with the key in brackets, as `Debug` writes it: `hosts["a.example"]`.
    ///
    /// Keys have breakers of their own up to [`max_keys`](CircuitBreakerLayerBuilder::max_keys); [idle](CircuitBreakerLayerBuilder::idle_after) ones make room for new ones.
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
            of: PhantomData,
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
    /// How many keys have a breaker of their own; those beyond share one, the [overflow](super::Breakers::overflow). At least 1; default: 10,000.
    pub fn max_keys(mut self, max_keys: usize) -> Self {
        self.keys.max_keys = max_keys;
        self
    }

    /// How long a key may go unused before its breaker may be evicted, at least, in favour of new ones. One that isn't closed, has calls in
    /// flight, or was set by hand stays. From 1 second to 365 days; default: 10 minutes.
    pub fn idle_after(mut self, idle_after: Duration) -> Self {
        self.keys.idle_after = idle_after;
        self
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another: which field, its value, and what would be accepted.
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
            of: PhantomData,
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
        let store = Store::new(Plan {
            breakers: factory,
            config,
            seed,
            registry,
            max_keys,
            idle_after,
        })?;
        Ok(KeyedCircuitBreakerLayer::new(key, store, on_open, classify))
    }
}
