//! Metrics of all breakers: for Prometheus, the `metrics` facade, or OpenTelemetry.
//!
//! An [`Exporter`] collects the figures of all breakers of a [`Registry`] when it is asked, from
//! snapshots and events; calls pay nothing for it. It returns them as Prometheus's text, or sends
//! them to the `metrics` facade or to an OpenTelemetry meter. [`SERIES`] lists them. Each sample
//! has the label `breaker`, and the series of a breaker end with it. The labels `to` and `reason`
//! of a transition are [`Transition::target`](crate::observe::Transition::target) and
//! [`Transition::cause`](crate::observe::Transition::cause), as in the log and the console.
//!
//! ```
//! use tower_breaker::{CircuitBreakerLayer, registry::Registry, telemetry::Exporter};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let registry = Registry::new();
//! let layer = CircuitBreakerLayer::builder().name("payments").registry(&registry).build()?;
//!
//! let exporter = Exporter::new(&registry);
//! let text = exporter.prometheus(); // what a scrape gets
//! assert!(text.contains(r#"tower_breaker_state{breaker="payments",state="closed"} 1"#));
//! # Ok(())
//! # }
//! ```

mod collector;
#[cfg(feature = "metrics")]
mod facade;
#[cfg(feature = "metrics")]
mod histograms;
#[cfg(feature = "opentelemetry")]
mod meter;
mod sample;
mod series;
mod text;

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use self::collector::Collector;
#[cfg(feature = "metrics")]
pub use self::histograms::Histograms;
#[cfg(feature = "opentelemetry")]
pub use self::meter::Registration;
pub use self::series::{Kind, SERIES, Series};
use crate::{agent::Agent, lock::lock, registry::Registry};

/// The media type of [`Exporter::prometheus`]'s text, for the header `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// An exporter of the figures of all breakers of a registry. Clones are cheap, and share their
/// counts.
///
/// It counts transitions and the time that breakers are open from when it was made. All other
/// figures count from when each breaker was made.
#[derive(Clone)]
pub struct Exporter {
    collector: Arc<Mutex<Collector>>,
}

impl Exporter {
    /// Makes an exporter for the breakers of this registry.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self {
            collector: Arc::new(Mutex::new(Collector::new(registry.clone()))),
        }
    }

    /// Adds the checks of this agent, as long as it lives.
    #[must_use]
    pub fn agent(self, agent: &Arc<Agent>) -> Self {
        self.with(|collector| collector.add_agent(agent));
        self
    }

    /// Returns all figures in Prometheus's text format: the answer to a scrape, with
    /// [`CONTENT_TYPE`].
    #[must_use]
    pub fn prometheus(&self) -> String {
        text::prometheus(&self.with(Collector::collect))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Collector) -> R) -> R {
        act(&mut lock(&self.collector))
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}
