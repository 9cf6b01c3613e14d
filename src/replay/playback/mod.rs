//! Replays a trace: [`Replay`] is the configuration, `order` puts the steps of the trace in order,
//! and a [`ReplayedBreaker`] for all calls, or one for each key, takes them.

use std::{sync::Arc, time::Duration};

use tracing::subscriber::{NoSubscriber, with_default};

mod clock;
mod order;
mod outage;
mod replayed_breaker;

pub use self::replayed_breaker::ReplayedCall;
use self::{
    order::{Step, steps_of},
    replayed_breaker::ReplayedBreaker,
};
use super::{judged_calls::JudgedCalls, report::Report, trace::Trace, worth::check_worth};
use crate::{
    config::Config,
    machine::{ConfigError, SlowAfter},
};

/// A replay of a trace under some configuration: reports what a breaker would have done.
///
/// The breaker is a real one over a clock that the trace sets. It sees each call start and end, and
/// finds calls that hang like a live breaker does.
///
/// Given all that a [`Recorder`](super::Recorder) wrote, with the same configuration and
/// [seed](Self::seed), it trips where the live breaker did, to the nanosecond. A trace lacks four
/// things, after which the two may differ: an operator's control of the breaker,
/// [`Wait`](crate::on_open::Wait), a `Retry-After`, and calls in flight at the end of the
/// recording.
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{Config, replay::{Replay, Trace}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut csv = String::from("time,outcome,latency\n");
/// for call in 0..900 {
///     let outcome = if (100..600).contains(&call) { "failure" } else { "success" };
///     csv += &format!("{},{outcome},0.025\n", f64::from(call) / 100.0);
/// }
/// let trace = Trace::read_csv(csv.as_bytes())?;
///
/// let report = Replay::new(Config::new("payments").slow_after(Duration::from_millis(300)))
///     .worth(0.8) // of an answer of the backup, where one of the primary's is worth 1
///     .run(&trace)?;
/// println!("{report}");
/// assert_eq!(report.trips.len(), 1);
/// assert!(report.diverted.bad > report.diverted.good);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Replay {
    config: Config,
    seed: u64,
    worth: f64,
    /// `None` if it follows from the configuration.
    objective: Option<Option<Duration>>,
    per_key: bool,
}

impl Replay {
    /// Returns a replay under this configuration.
    ///
    /// [`SlowAfter::Auto`] means [`Learned`](SlowAfter::Learned), as for a breaker with a backup.
    /// For a breaker without one, set [`Never`](SlowAfter::Never). Each replay starts to learn
    /// anew, so no call is slow at first.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            seed: 0,
            worth: 0.5,
            objective: None,
            per_key: false,
        }
    }

    /// Sets the seed of jitter and of the choice of calls to learn from. Default: 0.
    ///
    /// See [`CircuitBreakerLayerBuilder::seed`](crate::layer::CircuitBreakerLayerBuilder::seed).
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets what an answer of the backup is worth, from 0 to 1. Default: 0.5.
    ///
    /// A good answer of the primary is worth 1. This only affects the report.
    #[must_use]
    pub fn worth(self, worth: f64) -> Self {
        Self { worth, ..self }
    }

    /// Sets the latency above which an answer of the primary is worth nothing.
    ///
    /// With `None`, a slow answer is as good as a quick one. Default: the configuration's
    /// `slow_after` if that is a duration; `None` if it is learned, automatic or never. This only
    /// affects the report.
    #[must_use]
    pub fn objective(self, objective: impl Into<Option<Duration>>) -> Self {
        Self {
            objective: Some(objective.into()),
            ..self
        }
    }

    /// Replays each key of the trace with a breaker of its own. Default: one breaker for all calls.
    ///
    /// All breakers have the same seed.
    #[must_use]
    pub fn per_key(self) -> Self {
        Self { per_key: true, ..self }
    }

    /// Replays the trace.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range or contradicts another.
    pub fn run(&self, trace: &Trace) -> Result<Report, ConfigError> {
        self.run_with(trace, |_| ())
    }

    /// Replays the trace, and calls `on_call` with each call at its start: for progress, or a plot.
    ///
    /// With [`per_key`](Self::per_key), keys are replayed one after the other.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range or contradicts another.
    pub fn run_with(&self, trace: &Trace, mut on_call: impl FnMut(ReplayedCall<'_>)) -> Result<Report, ConfigError> {
        self.config.check()?;
        check_worth(self.worth)?;
        let mut report = Report {
            admitted: JudgedCalls::default(),
            diverted: JudgedCalls::default(),
            refused_again: 0,
            refused_before: 0,
            trips: Vec::new(),
            changes: Vec::new(),
            worth: self.worth,
            objective: self.objective.unwrap_or(match self.config.settings().slow_after {
                SlowAfter::After(limit) => Some(limit),
                _ => None,
            }),
        };
        // The log is for live breakers.
        with_default(NoSubscriber::default(), || {
            let keys: Vec<_> = if self.per_key {
                (0..)
                    .zip(&trace.keys)
                    .map(|(key, name)| (Some(key), name.clone()))
                    .collect()
            } else {
                vec![(None, Arc::from(""))]
            };
            for (key, name) in keys {
                self.replay_steps(trace, &steps_of(trace, key), name, &mut report, &mut on_call)?;
            }
            Ok(())
        })?;
        if self.per_key {
            report.trips.sort_by_key(|trip| trip.at);
            report.changes.sort_by_key(|change| change.at);
        }
        Ok(report)
    }

    /// Returns this replay under another configuration.
    pub(super) fn with_config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    fn replay_steps(
        &self,
        trace: &Trace,
        steps: &[Step],
        key: Arc<str>,
        report: &mut Report,
        on_call: &mut dyn FnMut(ReplayedCall<'_>),
    ) -> Result<(), ConfigError> {
        let mut breaker = ReplayedBreaker::new(trace, key, self.config.clone(), self.seed, report)?;
        for step in steps {
            if let Some(call) = breaker.take(*step, report) {
                on_call(call);
            }
        }
        Ok(())
    }
}
