use std::time::Duration;

use http::Request;
use tower::{BoxError, Layer, ServiceExt};
use tower_breaker::{
    Breaker, CircuitBreaker, CircuitBreakerLayer, Config, ConfigError,
    group::Group,
    on_open::{FailOver, FailOverBudget},
    registry::Registry,
};

use crate::{
    config::Address,
    elsewhere::{Elsewhere, RetainElsewhere},
    judge::Judge,
    upstream::{Answer, Body, Upstream},
};

/// One instance of a service, behind a breaker of its own.
pub(crate) struct Instance {
    /// `search/10.0.0.7:8080`.
    pub(crate) name: String,
    upstream: Upstream,
    guarded: Option<CircuitBreaker<Upstream, FailOver<Elsewhere, RetainElsewhere>, Judge>>,
}

impl Instance {
    /// Without a breaker.
    pub(crate) fn bare(name: String, upstream: Upstream) -> Self {
        Self {
            name,
            upstream,
            guarded: None,
        }
    }

    /// What its breaker refuses, and what fails on it, goes elsewhere.
    pub(crate) fn guarded(
        config: Config,
        upstream: Upstream,
        group: &Group,
        registry: &Registry,
    ) -> Result<Self, ConfigError> {
        let name = config.name().to_owned();
        let layer = CircuitBreakerLayer::builder()
            .config(config)
            .classify(Judge::new())
            .backup(Elsewhere)
            .fail_over(RetainElsewhere::new(), FailOverBudget::percent(100).at_once(1000))
            .group(group)
            .registry(registry)
            .build()?;
        Ok(Self {
            name,
            guarded: Some(layer.layer(upstream.clone())),
            upstream,
        })
    }

    pub(crate) fn breaker(&self) -> Option<&Breaker> {
        self.guarded.as_ref().map(CircuitBreaker::breaker)
    }

    pub(crate) fn set_timeout(&self, timeout: Duration) {
        self.upstream.set_timeout(timeout);
    }

    pub(crate) fn address(&self) -> Address {
        self.upstream.address()
    }

    /// It has moved, and is another one in all but its name.
    pub(crate) fn set_address(&self, address: Address) {
        self.upstream.set_address(address);
        if let Some(breaker) = self.breaker() {
            breaker.reset("its address has changed");
        }
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.upstream.in_flight()
    }

    pub(crate) fn send(&self, request: Request<Body>) -> Answer {
        match &self.guarded {
            Some(guarded) => Box::pin(guarded.clone().oneshot(request)),
            None => Box::pin(self.upstream.clone().oneshot(request)),
        }
    }
}

/// Whether nothing of the request was sent.
pub(crate) fn is_unsent(error: &BoxError) -> bool {
    let client = error.downcast_ref::<hyper_util::client::legacy::Error>();
    client.is_some_and(hyper_util::client::legacy::Error::is_connect)
}
