//! Searches for parameters by replaying a trace under several configurations.
//!
//! `candidates` lists the values of `slow_after` to try, `attempt` says which of two replays is
//! better, and [`Suggestion`] explains the best one. First `slow_after` is chosen with all else at
//! its default, then how long evidence must last.

use std::time::Duration;

mod attempt;
mod candidates;
mod comparison;
mod error;
mod suggestion;

use self::{
    attempt::Attempt,
    candidates::{SlowAfterCandidate, candidates},
};
pub use self::{comparison::Comparison, error::SuggestError, suggestion::Suggestion};
use super::{
    playback::Replay,
    trace::{MIN_SUCCESSES, Trace},
    worth::{check_worth, tolerated_rate},
};
use crate::{
    config::Config,
    machine::{ConfigError, Evidence, SlowAfter},
};

/// A search for parameters in a trace.
///
/// - The tolerated rate of bad calls is θ = min(0.5, 1 − worth of the backup's answer).
/// - `slow_after` is the value whose replay loses the fewest answers. The candidates are
///   [learned](SlowAfter::Learned), some multiples of the latency quantiles of successful calls,
///   the objective, and [never](SlowAfter::Never). A good answer of the primary within the
///   objective counts 1, an answer of the backup counts its worth, any other 0.
/// - A candidate that [trips on healthy calls](super::Trip::was_healthy) more often than another
///   loses to it. Among those that lose the same number of answers, to 2 %, learned wins because it
///   needs no upkeep, and otherwise the longest value.
/// - Evidence must last longer than half a second only if that trips less on healthy calls or loses
///   fewer answers still.
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{config::SlowAfter, replay::{Suggest, Trace}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut csv = String::from("time,outcome,latency\n");
/// # for call in 0..4000 {
/// #     let healthy = 0.02 + f64::from(call % 97) / 4000.0;
/// #     let latency = if (1000..2000).contains(&call) { 0.7 } else { healthy };
/// #     csv += &format!("{},success,{latency:.6}\n", f64::from(call) / 100.0);
/// # }
/// let trace = Trace::read_csv(csv.as_bytes())?;
/// let suggestion = Suggest::new(0.8).objective(Duration::from_millis(500)).run(&trace)?;
/// println!("{suggestion}");
/// assert_ne!(suggestion.slow_after, SlowAfter::Never);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Suggest {
    worth: f64,
    objective: Option<Duration>,
    per_key: bool,
}

/// How long evidence must last, as far as it is tried. The first is the policy's default.
const SUSTAINED: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

impl Suggest {
    /// Returns a search for a backup whose answers are worth `worth`, from 0 to 1.
    ///
    /// A good answer of the primary is worth 1.
    #[must_use]
    pub fn new(worth: f64) -> Self {
        Self {
            worth,
            objective: None,
            per_key: false,
        }
    }

    /// Sets the latency above which an answer of the primary is worth nothing.
    ///
    /// Default: none, so that a slow answer is as good as a quick one.
    #[must_use]
    pub fn objective(self, objective: impl Into<Option<Duration>>) -> Self {
        Self {
            objective: objective.into(),
            ..self
        }
    }

    /// Searches for parameters of a breaker per key. Default: one breaker for all calls.
    #[must_use]
    pub fn per_key(self) -> Self {
        Self { per_key: true, ..self }
    }

    /// Searches for parameters in this trace.
    ///
    /// # Errors
    ///
    /// Returns an error if the worth or the objective is out of range, or if the trace has fewer
    /// than 100 successful calls.
    pub fn run(&self, trace: &Trace) -> Result<Suggestion, SuggestError> {
        self.run_with(trace, |_| ())
    }

    /// Like [`run`](Self::run), but calls `on_replay` before each replay with the number of replays
    /// that are done.
    ///
    /// # Errors
    ///
    /// Returns an error if the worth or the objective is out of range, or if the trace has fewer
    /// than 100 successful calls.
    pub fn run_with(&self, trace: &Trace, mut on_replay: impl FnMut(usize)) -> Result<Suggestion, SuggestError> {
        check_worth(self.worth)?;
        if let Some(objective) = self.objective {
            ConfigError::check_duration("objective", objective)?;
        }
        let latencies = trace.latencies();
        if latencies.calls() < MIN_SUCCESSES {
            return Err(SuggestError::TooFewCalls {
                successful: latencies.calls(),
                needed: MIN_SUCCESSES,
            });
        }
        let mut attempts = Vec::new();
        let mut attempt = |attempts: &mut Vec<Attempt>, candidate: SlowAfterCandidate, sustained_for| {
            on_replay(attempts.len());
            let config = self.config(candidate.slow_after(), sustained_for);
            attempts.push(Attempt {
                candidate,
                sustained_for,
                report: self.replay(config.clone()).run(trace)?,
                config,
            });
            Ok::<_, ConfigError>(())
        };
        for candidate in candidates(&latencies, self.objective) {
            attempt(&mut attempts, candidate, SUSTAINED[0])?;
        }
        let mut chosen = choose(&attempts);
        let Attempt { candidate, .. } = attempts[chosen];
        for sustained_for in SUSTAINED.into_iter().skip(1) {
            attempt(&mut attempts, candidate, sustained_for)?;
            let last = attempts.len() - 1;
            if attempts[last].is_better_than(&attempts[chosen]) {
                chosen = last;
            }
        }
        let Attempt {
            sustained_for,
            ref config,
            ..
        } = attempts[chosen];
        let config = config.clone();
        Ok(Suggestion {
            slow_after: candidate.slow_after(),
            tolerated_rate: rounded(tolerated_rate(self.worth)),
            sustained_for,
            replay: self.replay(config.clone()),
            config,
            latencies,
            chosen,
            attempts,
        })
    }

    fn replay(&self, config: Config) -> Replay {
        let replay = Replay::new(config).worth(self.worth).objective(self.objective);
        if self.per_key { replay.per_key() } else { replay }
    }

    fn config(&self, slow_after: SlowAfter, sustained_for: Duration) -> Config {
        let evidence = Evidence::tolerating(rounded(tolerated_rate(self.worth))).sustained_for(sustained_for);
        Config::default().slow_after(slow_after).trip_when(evidence)
    }
}

/// Returns the index of the best attempt. Among equals, the preferred `slow_after` wins.
fn choose(attempts: &[Attempt]) -> usize {
    let is_best = |one: &Attempt| !attempts.iter().any(|other| other.is_better_than(one));
    let best = (0..attempts.len()).filter(|index| is_best(&attempts[*index]));
    best.max_by_key(|index| attempts[*index].candidate.preference())
        .unwrap_or(0)
}

/// Rounds a rate to three decimals: in binary, 1 − 0.9 isn't 0.1.
fn rounded(rate: f64) -> f64 {
    (rate * 1000.0).round() / 1000.0
}
