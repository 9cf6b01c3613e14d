//! Checks instances on a schedule, whether they are called or not.
//!
//! A breaker learns of an instance from its calls, as long as there are calls. An [`Agent`] adds
//! health checks:
//!
//! - It trips the breaker of an instance that fails
//!   [several checks in a row](AgentBuilder::trip_after), even without a single call.
//! - While a breaker is open, the agent makes its trial, so the first call to a sick instance is a
//!   check and not a user's request ([`gate_recovery`](AgentBuilder::gate_recovery)). After a check
//!   has passed, users' calls return in stages as usual.
//!
//! Checks of a closed breaker's instance don't count as calls: a health endpoint that answers well
//! says nothing about requests that fail, and must not make up for them.
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
//! let agent = Agent::builder()
//!     .every(Duration::from_secs(5))
//!     .timeout(Duration::from_secs(1))
//!     .build()?;
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
mod check_log;
#[cfg(feature = "http-check")]
mod http_get;
mod instance;
mod run_check;
mod schedule;
mod watched_instance;

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
    check::{Check, CheckFailure},
    instance::Instance,
};
use self::{builder::AgentConfig, watched_instance::WatchedInstance};
use crate::{breaker::Breaker, lock::lock};

/// An agent that checks instances on a schedule, until it is dropped: see the [module](self).
pub struct Agent {
    config: Arc<AgentConfig>,
    instances: Mutex<BTreeMap<Arc<str>, WatchedInstance>>,
}

/// An error of [`Agent::watch`]: why an instance can't be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchError {
    /// The agent already watches an instance of this name.
    #[non_exhaustive]
    Taken {
        /// The name.
        name: Arc<str>,
    },
    /// The caller isn't in a tokio runtime, which the checks need.
    NoRuntime,
}

impl Agent {
    /// Returns a builder with the defaults: a check every 5 s with a time limit of 1 s, three
    /// failed checks in a row trip, and trials are the agent's.
    pub fn builder() -> AgentBuilder {
        AgentBuilder::new()
    }

    /// Starts to check the instance behind this breaker, by calling the service `check`.
    ///
    /// The instance is healthy if the check returns a response, and sick if it returns an error.
    /// Its name is the breaker's. The agent keeps the breaker alive until [`forget`](Self::forget).
    ///
    /// # Errors
    ///
    /// Returns an error if the agent already watches a breaker of this name, or if the caller isn't
    /// in a tokio runtime.
    pub fn watch<C>(&self, breaker: &Breaker, check: C) -> Result<(), WatchError>
    where
        C: Service<()> + Clone + Send + 'static,
        C::Error: fmt::Display,
        C::Future: Send,
    {
        let runtime = Handle::try_current().map_err(|_| WatchError::NoRuntime)?;
        let name: Arc<str> = breaker.name().into();
        let mut instances = self.lock();
        if instances.contains_key(&name) {
            return Err(WatchError::Taken { name });
        }
        let instance = WatchedInstance::start(&runtime, &self.config, breaker.clone(), check);
        instances.insert(name, instance);
        Ok(())
    }

    /// Stops checking an instance. Returns whether it was watched.
    pub fn forget(&self, name: &str) -> bool {
        // Dropping the instance may run the check's destructor: the lock must be free by then.
        let instance = self.lock().remove(name);
        instance.is_some()
    }

    /// Returns all watched instances, in order of their names.
    #[must_use]
    pub fn instances(&self) -> Vec<Instance> {
        self.lock().values().map(WatchedInstance::instance).collect()
    }

    /// Returns the watched instance of this name.
    #[must_use]
    pub fn instance(&self, name: &str) -> Option<Instance> {
        self.lock().get(name).map(WatchedInstance::instance)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, WatchedInstance>> {
        lock(&self.instances)
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("config", &self.config)
            .field("instances", &self.lock().keys())
            .finish()
    }
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { name } => write!(f, "an instance {name:?} is watched already"),
            Self::NoRuntime => f.write_str("`Agent::watch` must be called within a tokio runtime"),
        }
    }
}

impl Error for WatchError {}
