//! [`KeyedCircuitBreakerLayer`]: hands the breakers of all keys to each service that it makes.

use std::{fmt, hash::Hash, sync::Arc};

use tower::Layer;

use super::{Breakers, KeyedCircuitBreaker, store::Store};
use crate::{classify::ErrorsAsFailures, on_open::Reject};

/// A [`Layer`] that puts a breaker per key around a service: see
/// [`CircuitBreakerLayer::keyed`](crate::CircuitBreakerLayer::keyed).
///
/// `F` makes a key `K` of a request.
pub struct KeyedCircuitBreakerLayer<F, K, B = Reject, C = ErrorsAsFailures> {
    key: F,
    breakers: Breakers<K>,
    on_open: B,
    classify: C,
}

impl<F, K, B, C> KeyedCircuitBreakerLayer<F, K, B, C>
where
    K: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
{
    pub(super) fn new(key: F, store: Store<K>, on_open: B, classify: C) -> Self {
        Self {
            key,
            breakers: Breakers { store: Arc::new(store) },
            on_open,
            classify,
        }
    }

    /// Returns the handle to the breakers.
    #[must_use]
    pub fn breakers(&self) -> &Breakers<K> {
        &self.breakers
    }
}

impl<F: Clone, K, B: Clone, C: Clone, S> Layer<S> for KeyedCircuitBreakerLayer<F, K, B, C> {
    type Service = KeyedCircuitBreaker<S, F, K, B, C>;

    fn layer(&self, primary: S) -> Self::Service {
        KeyedCircuitBreaker::new(
            primary,
            self.key.clone(),
            self.breakers.clone(),
            self.on_open.clone(),
            self.classify.clone(),
        )
    }
}

impl<F: Clone, K, B: Clone, C: Clone> Clone for KeyedCircuitBreakerLayer<F, K, B, C> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            breakers: self.breakers.clone(),
            on_open: self.on_open.clone(),
            classify: self.classify.clone(),
        }
    }
}

impl<F, K, B, C> fmt::Debug for KeyedCircuitBreakerLayer<F, K, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedCircuitBreakerLayer")
            .field("breakers", &self.breakers)
            .finish_non_exhaustive()
    }
}
