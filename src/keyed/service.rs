//! [`KeyedCircuitBreaker`]: a service that asks a key's breaker for each call.
//!
//! The key is known only in `call`. So `poll_ready` polls the primary for whichever call comes
//! next, and reports an error to none: a call finds out in its own future, with its key's breaker
//! at hand.

use std::{
    fmt,
    hash::Hash,
    task::{Context, Poll},
};

use tower::Service;

use super::Breakers;
use crate::{
    breaker::Refused,
    classify::{Classify, ErrorsAsFailures},
    layer::{
        future::ResponseFuture,
        primary::{PrimaryHandle, Readiness},
    },
    on_open::{OnOpen, Reject},
};

/// A service behind a breaker per key, as a
/// [`KeyedCircuitBreakerLayer`](super::KeyedCircuitBreakerLayer) makes it.
///
/// It is always ready, since only a request says which key, and so which breaker, decides. A call
/// waits for the primary's readiness in its own future, and its key's breaker counts an error
/// there. (Only a panic in the primary's `poll_ready` counts in no breaker, if it happens before
/// the call.) If the primary can be unready for long, put a limit outside on how many calls wait.
pub struct KeyedCircuitBreaker<S, F, K, B = Reject, C = ErrorsAsFailures> {
    primary: PrimaryHandle<S>,
    key: F,
    breakers: Breakers<K>,
    on_open: B,
    classify: C,
}

impl<S, F, K, B, C> KeyedCircuitBreaker<S, F, K, B, C> {
    pub(super) fn new(primary: S, key: F, breakers: Breakers<K>, on_open: B, classify: C) -> Self {
        Self {
            primary: PrimaryHandle::new(primary),
            key,
            breakers,
            on_open,
            classify,
        }
    }

    /// Returns the handle to the breakers.
    #[must_use]
    pub fn breakers(&self) -> &Breakers<K> {
        &self.breakers
    }

    /// Returns the primary, the service that the breakers protect.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        self.primary.get_ref()
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
    type Future = ResponseFuture<S, Req, B, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if !self.primary.is_ready() && matches!(self.primary.poll_ready(cx), Poll::Ready(Err(_))) {
            // The call finds out, on a handle that still works: then it is known whose breaker
            // counts it.
            self.primary.release();
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let classify = self.classify.begin(&request);
        let key = (self.key)(&request);
        let ready = self.primary.take_readiness();
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
                let primary = self.primary.get_mut();
                ResponseFuture::<S, Req, B, C>::primary(primary, request, &self.on_open, permit, classify)
            }
            Ok((permit, Some(breaker))) => {
                let primary = self.primary.take_polled();
                let on_open = self.on_open.clone();
                ResponseFuture::<S, Req, B, C>::waiting(primary, request, on_open, breaker, permit, classify)
            }
            Err(Refused { open, permit }) => {
                self.primary.release_taken(ready);
                ResponseFuture::<S, Req, B, C>::refused(request, || open, permit, &self.on_open, classify)
            }
        }
    }
}

impl<S: Clone, F: Clone, K, B: Clone, C: Clone> Clone for KeyedCircuitBreaker<S, F, K, B, C> {
    fn clone(&self) -> Self {
        // A new clone carries no readiness: the inner service tracks readiness per clone.
        Self::new(
            self.primary.fresh(),
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
            .field("readiness", &self.primary)
            .finish_non_exhaustive()
    }
}
