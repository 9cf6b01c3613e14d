use std::{fmt, hash::Hash, marker::PhantomData, time::Duration};

use super::{KeyedLayer, name, store::Plan, store::Store};
use crate::{
    builder::{Builder, Parts},
    config::LONGEST_NAME,
    machine::ConfigError,
};

/// What a [`Builder`] of a breaker per key has to know of the keys.
#[derive(Clone)]
pub struct ByKey<F, K> {
    key: F,
    max_keys: usize,
    idle_after: Duration,
    of: PhantomData<fn() -> K>,
}

impl<F, K> ByKey<F, K> {
    pub(crate) fn new(key: F) -> Self {
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

impl<B, C, F, K> Builder<B, C, ByKey<F, K>>
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
    pub fn build(self) -> Result<KeyedLayer<F, K, B, C>, ConfigError> {
        let Parts {
            on_open,
            classify,
            keys,
            blueprint,
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
            return Err(ConfigError::new("max_keys", 0, "at least 1"));
        }
        ConfigError::check_duration("idle_after", idle_after)?;
        if idle_after < Duration::from_secs(1) {
            return Err(ConfigError::new(
                "idle_after",
                format!("{idle_after:?}"),
                "at least 1 second",
            ));
        }
        config.check()?;
        let longest = LONGEST_NAME - name::RESERVED - "[".len();
        if config.name().len() > longest {
            return Err(ConfigError::new(
                "name",
                format!("of {} bytes", config.name().len()),
                format!("1 to {longest} bytes, for the key has to fit in as well,"),
            ));
        }
        let store = Store::new(Plan {
            breakers: blueprint,
            config,
            seed,
            registry,
            max_keys,
            idle_after,
        })?;
        Ok(KeyedLayer::new(key, store, on_open, classify))
    }
}
