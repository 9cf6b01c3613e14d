//! Watching instances that nobody calls.
//!
//! Calls tell of an instance what there is to know, as long as there are calls. An [`Agent`] checks instances on a schedule, whether they are called or not:
//!
//! - An instance that fails [several checks in a row](AgentBuilder::trip_after) has its breaker tripped, though nobody has called it.
//! - While a breaker is open, its trial is the agent's: the first call to a sick instance is a check, and not a user's request
//!   ([`gate_recovery`](AgentBuilder::gate_recovery)). Once one has passed, users' calls return in stages, as ever.
//!
//! Checks of a closed breaker's instance are apart from the calls: a health endpoint that answers well says nothing about the requests that fail, and
//! mustn't make up for them.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use tower::service_fn;
//! use tower_breaker::{CircuitBreakerLayer, agent::Agent};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let breaker = CircuitBreakerLayer::builder().name("payments-1").build()?.breaker().clone();
//!
//! let agent = Agent::builder().every(Duration::from_secs(5)).timeout(Duration::from_secs(1)).build()?;
//! agent.watch(&breaker, service_fn(|()| async { Ok::<_, Infallible>("healthy") }))?;
//!
//! tokio::time::sleep(Duration::from_secs(12)).await;
//! let instance = agent.instance("payments-1").expect("it is watched");
//! assert!(instance.checks >= 2 && instance.failed_in_a_row == 0);
//! # Ok(())
//! # }
//! ```

mod builder;
mod check;
mod history;
#[cfg(feature = "http-check")]
mod http_get;
mod instance;
mod schedule;
mod watch;

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::runtime::Handle;
use tower::Service;

#[cfg(feature = "http-check")]
pub use self::http_get::{HttpGet, HttpGetError};
pub use self::{
    builder::AgentBuilder,
    history::{Check, CheckFailure},
    instance::Instance,
};
use self::{builder::Plan, watch::Watch};
use crate::{breaker::Breaker, lock::lock};

/// Checks instances on a schedule: see the [module](self). It stops when it is dropped.
pub struct Agent {
    plan: Arc<Plan>,
    watched: Mutex<BTreeMap<Arc<str>, Watch>>,
}

/// Why an instance can't be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchError {
    /// One of this name is watched already.
    #[non_exhaustive]
    Taken {
        /// The name.
        name: Arc<str>,
    },
    /// There is no tokio runtime here to run the checks in.
    NoRuntime,
}

impl Agent {
    /// Starts from the defaults: a check every 5 s, which fails after 1 s; three failed ones in a row trip; trials are the agent's.
    pub fn builder() -> AgentBuilder {
        AgentBuilder::new()
    }

    /// Checks the instance that this breaker is for, from now on: by calling `check`, a service like any other, which is healthy if it answers.
    ///
    /// The instance has the breaker's name. The agent keeps the breaker alive until it is told to [forget](Self::forget) it.
    ///
    /// # Errors
    ///
    /// A breaker of that name is watched already; or this is called outside of a tokio runtime.
    pub fn watch<C>(&self, breaker: &Breaker, check: C) -> Result<(), WatchError>
    where
        C: Service<()> + Clone + Send + 'static,
        C::Error: fmt::Display,
        C::Future: Send,
    {
        let runtime = Handle::try_current().map_err(|_| WatchError::NoRuntime)?;
        let name: Arc<str> = breaker.name().into();
        let mut watched = self.lock();
        if watched.contains_key(&name) {
            return Err(WatchError::Taken { name });
        }
        let watch = Watch::start(&runtime, &self.plan, breaker.clone(), check);
        watched.insert(name, watch);
        Ok(())
    }

    /// Checks this one no more. Whether it was watched.
    pub fn forget(&self, name: &str) -> bool {
        // Its end runs the check's destructors, which is nothing to do under a lock.
        let watch = self.lock().remove(name);
        watch.is_some()
    }

    /// All that are watched, by name.
    #[must_use]
    pub fn instances(&self) -> Vec<Instance> {
        self.lock().values().map(Watch::instance).collect()
    }

    /// The one of this name.
    #[must_use]
    pub fn instance(&self, name: &str) -> Option<Instance> {
        self.lock().get(name).map(Watch::instance)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Watch>> {
        lock(&self.watched)
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("plan", &self.plan)
            .field("watched", &self.lock().keys())
            .finish()
    }
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { name } => write!(f, "an instance {name:?} is watched already"),
            Self::NoRuntime => f.write_str("an agent watches from within a tokio runtime, and there is none here"),
        }
    }
}

impl Error for WatchError {}
