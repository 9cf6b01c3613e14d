//! See and steer: a page that shows all breakers of a [`Registry`], and operates them.
//!
//! A [`Console`] is a `Service<http::Request<_>>`; mount it under any path of any server:
//!
//! ```
//! use axum::Router;
//! use tower_breaker::{CircuitBreakerLayer, console::{Console, Denied, Identity}, registry::Registry};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let registry = Registry::new();
//! let layer = CircuitBreakerLayer::builder().name("payments").registry(&registry).build()?;
//!
//! let console = Console::builder(&registry)
//!     .authorize(|request| match request.headers.get("x-user") {
//!         Some(user) => Ok(Identity::new(user.to_str().unwrap_or("?"))),
//!         None => Err(Denied::unauthenticated("who are you?")),
//!     })
//!     .build();
//! # fn is_router(_: Router) {}
//! # is_router(
//! Router::new().nest_service("/breakers", console)
//! # );
//! # Ok(())
//! # }
//! ```
//!
//! Of more than 10,000 breakers, those in trouble are shown and as many others; and looking never takes more than a twentieth of one processor's time.
//!
//! It shows why a breaker tripped, when it will probe, how its recovery goes, the last 15 minutes, and the agent's checks; by JSON and by a stream
//! of server-sent events as well (`api/openapi.json` describes them). It takes none of a call's time: everything comes from snapshots, once a second.
//!
//! Without an [`authorize`](ConsoleBuilder::authorize) hook it only shows. Who may look is for whatever it is mounted behind to say.

mod access;
mod answer;
mod body;
mod configure;
mod history;
mod operate;
mod routes;
mod sampler;
mod shown;
mod stream;

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ::http::{Request, Response, request::Parts};
use bytes::Buf;
use http_body::Body;
use tower::Service;

use self::{access::Hook, sampler::Sampler};
pub use self::{
    access::{Denied, Identity},
    body::ConsoleBody,
};
use crate::{agent::Agent, registry::Registry};

/// A page that shows breakers, and operates them: see the [module](self). A cheap clone.
#[derive(Clone)]
pub struct Console {
    shared: Arc<Shared>,
}

/// Builds a [`Console`].
#[must_use = "a builder does nothing until it builds"]
pub struct ConsoleBuilder {
    registry: Registry,
    hook: Option<Hook>,
}

struct Shared {
    registry: Registry,
    hook: Option<Hook>,
    sampler: Arc<Sampler>,
}

impl Console {
    /// One that shows the breakers of this registry.
    pub fn builder(registry: &Registry) -> ConsoleBuilder {
        ConsoleBuilder {
            registry: registry.clone(),
            hook: None,
        }
    }

    /// Shows the checks of this agent, too, as long as it lives.
    pub fn show_agent(&self, agent: &Arc<Agent>) {
        self.shared.sampler.show_agent(agent);
    }
}

impl ConsoleBuilder {
    /// Lets breakers be operated by whom this says: it is asked about each request that changes something, and tells who is asking, or why that may not be. Without it,
    /// nobody may.
    ///
    /// Such a request also has to come from the console's own page, as far as a browser sends it: another site can't make a user's browser do it.
    pub fn authorize(mut self, hook: impl Fn(&Parts) -> Result<Identity, Denied> + Send + Sync + 'static) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// The console. In a tokio runtime it begins to sample the breakers, once a second, as long as it lives; elsewhere with the first request.
    #[must_use]
    pub fn build(self) -> Console {
        let Self { registry, hook } = self;
        let sampler = Arc::new(Sampler::new(registry.clone()));
        Sampler::start(&sampler);
        Console {
            shared: Arc::new(Shared {
                registry,
                hook,
                sampler,
            }),
        }
    }
}

impl<B> Service<Request<B>> for Console
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
{
    type Response = Response<ConsoleBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ConsoleBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Sampler::start(&self.shared.sampler);
        let shared = self.shared.clone();
        Box::pin(async move { Ok(routes::answer(&shared, request).await) })
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("registry", &self.shared.registry)
            .field("read_only", &self.shared.hook.is_none())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ConsoleBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleBuilder")
            .field("registry", &self.registry)
            .field("read_only", &self.hook.is_none())
            .finish_non_exhaustive()
    }
}
