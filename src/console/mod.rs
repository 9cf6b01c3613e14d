//! A page that shows all breakers of a [`Registry`], and operates them.
//!
//! A [`Console`] is a `Service<http::Request<_>>`. Mount it under any path of any server:
//!
//! ```
//! use axum::Router;
//! use tower_breaker::{
//!     CircuitBreakerLayer,
//!     console::{Console, Denied, Identity},
//!     registry::Registry,
//! };
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
//! It shows why each breaker tripped, when it will probe, how its recovery goes, the last 15
//! minutes, and the agent's checks. The same data is there as JSON and as a stream of server-sent
//! events; the console's own `api/openapi.json` describes both.
//!
//! Calls pay nothing for it: the console takes snapshots once a second, in at most a twentieth of
//! one processor's time. It shows at most 10,000 breakers, those in trouble first.
//!
//! Without an [`authorize`](ConsoleBuilder::authorize) hook the console is read-only. It doesn't
//! restrict who may read: that is up to the server that it is mounted in.

mod access;
mod body;
mod configure;
mod history;
mod operate;
mod response;
mod routes;
mod sampler;
mod stream;
mod view;

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

use self::{access::AuthorizeHook, sampler::Sampler};
pub use self::{
    access::{Denied, Identity},
    body::ConsoleBody,
};
use crate::{agent::Agent, registry::Registry};

/// A service that shows breakers on a page, and operates them: see the [module](self). Clones are
/// cheap.
#[derive(Clone)]
pub struct Console {
    shared: Arc<Shared>,
}

/// A builder of a [`Console`].
#[must_use = "a builder does nothing until it builds"]
pub struct ConsoleBuilder {
    registry: Registry,
    authorize: Option<AuthorizeHook>,
}

/// The state that all clones of a console share.
struct Shared {
    registry: Registry,
    authorize: Option<AuthorizeHook>,
    sampler: Arc<Sampler>,
}

impl Console {
    /// Returns a builder of a console for the breakers of this registry.
    pub fn builder(registry: &Registry) -> ConsoleBuilder {
        ConsoleBuilder {
            registry: registry.clone(),
            authorize: None,
        }
    }

    /// Adds the checks of this agent, as long as it lives.
    pub fn show_agent(&self, agent: &Arc<Agent>) {
        self.shared.sampler.show_agent(agent);
    }
}

impl ConsoleBuilder {
    /// Sets the authorization hook. Default: none, and the console is read-only.
    ///
    /// The hook is called for every request that changes a breaker. It returns the caller's
    /// [`Identity`], which appears in the breaker's events, or [`Denied`].
    ///
    /// A request that a browser sends must also come from the console's own page, so that another
    /// site can't make a user's browser operate breakers.
    pub fn authorize(mut self, hook: impl Fn(&Parts) -> Result<Identity, Denied> + Send + Sync + 'static) -> Self {
        self.authorize = Some(Box::new(hook));
        self
    }

    /// Builds the console.
    ///
    /// Within a tokio runtime it starts to sample the breakers at once, and elsewhere with the
    /// first request. It samples once a second, until it is dropped.
    #[must_use]
    pub fn build(self) -> Console {
        let Self { registry, authorize } = self;
        let sampler = Arc::new(Sampler::new(registry.clone()));
        Sampler::start(&sampler);
        Console {
            shared: Arc::new(Shared {
                registry,
                authorize,
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
            .field("read_only", &self.shared.authorize.is_none())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ConsoleBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleBuilder")
            .field("registry", &self.registry)
            .field("read_only", &self.authorize.is_none())
            .finish_non_exhaustive()
    }
}
