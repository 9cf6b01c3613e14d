use std::{sync::Arc, time::Duration};

use tracing::subscriber::{NoSubscriber, with_default};

mod clock;
mod order;
mod replayed;
mod stretch;

pub use self::replayed::Fate;
use self::{
    order::{Step, steps_of},
    replayed::Replayed,
};
use super::{check_worth, report::Report, trace::Trace, verdict::Verdicts};
use crate::{
    config::Config,
    machine::{ConfigError, SlowAfter},
};

/// Shows a trace to a breaker under some configuration, and says what it would have done.
///
/// The breaker is a real one, over a clock that the trace sets: it is told of each call's start and end, and finds calls that hang as a live one
/// does. Shown what a [`Recorder`](super::Recorder) has recorded from its beginning, with the same configuration and
/// [seed](Self::seed), it trips where the live one did, to the nanosecond. That is unless somebody steered that one by hand, it used
/// [`Wait`](crate::on_open::Wait), heeded a `Retry-After`, or was stopped with calls in flight: a trace knows nothing of these.
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
    /// `None` where the user doesn't say.
    objective: Option<Option<Duration>>,
    per_key: bool,
}

impl Replay {
    /// A replay under this configuration. [`SlowAfter::Auto`] is taken as [`Learned`](SlowAfter::Learned), as where there is a backup; for a
    /// breaker that has none, say [`Never`](SlowAfter::Never). What is learned is learned anew, so nothing is slow at first.
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

    /// Where jitter, and the choice of calls to learn from, start from: see [`CircuitBreakerLayerBuilder::seed`](crate::layer::CircuitBreakerLayerBuilder::seed). Default: 0.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// What the backup's answer is worth, from 0 to 1, where a good one of the primary's is worth 1. It changes nothing but the report. Default:
    /// 0.5.
    #[must_use]
    pub fn worth(self, worth: f64) -> Self {
        Self { worth, ..self }
    }

    /// From when on an answer of the primary is worth nothing; with `None`, never. It changes nothing but the report. Default: the
    /// configuration's `slow_after` where that is a duration. Where it is learned, or automatic, or never: `None`, so that a slow answer is as
    /// good as a quick one.
    #[must_use]
    pub fn objective(self, objective: impl Into<Option<Duration>>) -> Self {
        Self {
            objective: Some(objective.into()),
            ..self
        }
    }

    /// A breaker for each key of the trace, all with the same seed. Default: one for all calls.
    #[must_use]
    pub fn per_key(self) -> Self {
        Self { per_key: true, ..self }
    }

    /// Replays the trace.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another.
    pub fn run(&self, trace: &Trace) -> Result<Report, ConfigError> {
        self.run_with(trace, |_| ())
    }

    /// As [`run`](Self::run), and says what became of each call at its start: for progress, or a picture. Per key, it goes key by key.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn run_with(&self, trace: &Trace, mut tell: impl FnMut(Fate<'_>)) -> Result<Report, ConfigError> {
        self.config.check()?;
        check_worth(self.worth)?;
        let mut report = Report {
            admitted: Verdicts::default(),
            diverted: Verdicts::default(),
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
        // What happens in a replay is nothing for the log.
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
                self.show(trace, &steps_of(trace, key), name, &mut report, &mut tell)?;
            }
            Ok(())
        })?;
        if self.per_key {
            report.trips.sort_by_key(|trip| trip.at);
            report.changes.sort_by_key(|change| change.at);
        }
        Ok(report)
    }

    fn show(
        &self,
        trace: &Trace,
        steps: &[Step],
        key: Arc<str>,
        report: &mut Report,
        tell: &mut dyn FnMut(Fate<'_>),
    ) -> Result<(), ConfigError> {
        let mut replayed = Replayed::new(trace, key, self.config.clone(), self.seed, report)?;
        for step in steps {
            if let Some(fate) = replayed.take(*step, report) {
                tell(fate);
            }
        }
        Ok(())
    }
}
