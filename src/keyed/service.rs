use std::{
    fmt,
    hash::Hash,
    mem::replace,
    task::{Context, Poll},
};

use tower::Service;

use super::Breakers;
use crate::{
    breaker::Refused,
    classify::{Classify, ErrorsAsFailures},
    layer::CallFuture,
    on_open::{OnOpen, Reject},
};

/// A service behind a breaker per key: what a [`KeyedCircuitBreakerLayer`](super::KeyedCircuitBreakerLayer) makes.
///
/// It is always ready, for before the call nobody knows whose turn it is: a call waits for the primary's readiness in its own
/// future, with its key's breaker at hand. (A primary that panics in its `poll_ready` does so in nobody's call, and no breaker hears of it.) Where the primary isn't ready for long, put something outside that bounds how many calls wait.
pub struct KeyedCircuitBreaker<S, F, K, B = Reject, C = ErrorsAsFailures> {
    primary: S,
    readiness: Readiness,
    key: F,
    breakers: Breakers<K>,
    on_open: B,
    classify: C,
}

/// What is known of the readiness of `primary`, the handle that this service holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Unknown,
    /// It was polled, and may hold a place in a queue.
    Pending,
    /// It is ready for one call, and may hold a place for it.
    Ready,
}

impl<S, F, K, B, C> KeyedCircuitBreaker<S, F, K, B, C> {
    pub(super) fn new(primary: S, key: F, breakers: Breakers<K>, on_open: B, classify: C) -> Self {
        Self {
            primary,
            readiness: Readiness::Unknown,
            key,
            breakers,
            on_open,
            classify,
        }
    }

    /// The breakers' handle.
    #[must_use]
    pub fn breakers(&self) -> &Breakers<K> {
        &self.breakers
    }

    /// The service that is protected.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.primary
    }
}

impl<S, F, K, B, C, Req> Service<Req> for KeyedCircuitBreaker<S, F, K, B, C>
where
    S: Service<Req> + Clone,
    F: Fn(&Req) -> K,
    K: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
    B: OnOpen<Req, S::Response, S::Error> + Clone,
    C: Classify<Req, S::Response, S::Error>,
{
    type Response = C::Response;
    type Error = S::Error;
    type Future = CallFuture<S, Req, B, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.readiness != Readiness::Ready {
            self.readiness = match self.primary.poll_ready(cx) {
                Poll::Ready(Ok(())) => Readiness::Ready,
                Poll::Pending => Readiness::Pending,
                Poll::Ready(Err(_)) => {
                    // It is the call's to find out, on a handle that still works: then it is known whose breaker it concerns.
                    self.primary = self.primary.clone();
                    Readiness::Unknown
                }
            };
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let classify = self.classify.begin(&request);
        let key = (self.key)(&request);
        let ready = replace(&mut self.readiness, Readiness::Unknown);
        let acquired = self.breakers.store.with(key, |breaker| {
            if ready == Readiness::Ready {
                breaker.acquire(B::HAS_BACKUP).map(|permit| (permit, None))
            } else {
                let permit = breaker.acquire_waiting(B::HAS_BACKUP)?;
                Ok((permit, Some(breaker.clone())))
            }
        });
        match acquired {
            Ok((mut permit, None)) => {
                permit.start();
                CallFuture::<S, Req, B, C>::primary(&mut self.primary, request, &self.on_open, permit, classify)
            }
            Ok((permit, Some(breaker))) => {
                // The handle that was polled may have a place in a queue.
                let fresh = self.primary.clone();
                let primary = replace(&mut self.primary, fresh);
                CallFuture::<S, Req, B, C>::waiting(primary, request, self.on_open.clone(), breaker, permit, classify)
            }
            Err(Refused { open, permit }) => {
                if ready != Readiness::Unknown {
                    // What it was ready for is free for others.
                    self.primary = self.primary.clone();
                }
                CallFuture::<S, Req, B, C>::refused(request, || open, permit, &self.on_open, classify)
            }
        }
    }
}

impl<S: Clone, F: Clone, K, B: Clone, C: Clone> Clone for KeyedCircuitBreaker<S, F, K, B, C> {
    fn clone(&self) -> Self {
        // A new clone carries no readiness: the inner service tracks readiness per clone.
        Self::new(
            self.primary.clone(),
            self.key.clone(),
            self.breakers.clone(),
            self.on_open.clone(),
            self.classify.clone(),
        )
    }
}

impl<S, F, K, B, C> fmt::Debug for KeyedCircuitBreaker<S, F, K, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedCircuitBreaker")
            .field("breakers", &self.breakers)
            .field("readiness", &self.readiness)
            .finish_non_exhaustive()
    }
}
