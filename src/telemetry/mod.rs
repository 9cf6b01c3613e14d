//! Figures for whoever keeps them: Prometheus, the `metrics` facade, OpenTelemetry.
//!
//! Everything comes from snapshots and events, when somebody asks; calls pay nothing for it. An [`Exporter`] gives the figures of all breakers of a
//! [`Registry`]: as Prometheus's text, to the `metrics` facade, or to an OpenTelemetry meter. [`SERIES`] says what there is; each sample has the label
//! `breaker`, and the series of a breaker that is gone end.
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
    sync::{Arc, Mutex, PoisonError},
};

use self::collector::Collector;
#[cfg(feature = "metrics")]
pub use self::histograms::Histograms;
#[cfg(feature = "opentelemetry")]
pub use self::meter::Registration;
pub use self::series::{Kind, SERIES, Series};
use crate::{agent::Agent, registry::Registry};

/// The media type of [`Exporter::prometheus`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Gives the figures of all breakers of a registry. A cheap clone.
///
/// Transitions are counted from when it was made, and so is the time that breakers are open; all else since the breakers were made.
#[derive(Clone)]
pub struct Exporter {
    collector: Arc<Mutex<Collector>>,
}

impl Exporter {
    /// One for the breakers of this registry.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self {
            collector: Arc::new(Mutex::new(Collector::new(registry.clone()))),
        }
    }

    /// Gives the checks of this agent, too, as long as it lives.
    #[must_use]
    pub fn agent(self, agent: &Arc<Agent>) -> Self {
        self.with(|collector| collector.add_agent(agent));
        self
    }

    /// All figures in Prometheus's text format: what a scrape gets, with [`CONTENT_TYPE`].
    #[must_use]
    pub fn prometheus(&self) -> String {
        text::prometheus(&self.with(Collector::collect))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Collector) -> R) -> R {
        act(&mut self.collector.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}
