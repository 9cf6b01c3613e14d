use std::{cmp::Ordering, time::Duration};

mod candidates;
mod comparison;
mod suggestion;

use self::{
    candidates::{Value, values},
    suggestion::Tried,
};
pub use self::{comparison::Comparison, suggestion::Suggestion};
use super::{
    check_worth,
    playback::Replay,
    tolerated_rate,
    trace::{ENOUGH, Latencies, Trace},
};
use crate::{
    config::Config,
    machine::{ConfigError, Evidence, SlowAfter},
};

/// Finds parameters in a trace.
///
/// - The tolerated rate of bad calls is θ = min(0.5, 1 − worth of the backup's answer).
/// - `slow_after` is the one under which a replay loses the fewest answers, among [learned](SlowAfter::Learned), some multiples of the latency
///   quantiles of successful calls, the objective, and [never](SlowAfter::Never). An answer of the primary counts 1 if it is good and
///   within the objective, one of the backup what it is worth, any other 0. One that [trips on healthy
///   calls](super::Trip::was_healthy) is out, where there is another; of those that lose the same, to 2 %, it is learned, which needs no
///   upkeep, else the longest value.
/// - Evidence has to last longer than half a second where that loses fewer answers still, or trips less on healthy calls.
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{config::SlowAfter, replay::{Suggest, Trace}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut csv = String::from("time,outcome,latency\n");
/// # for call in 0..4000 {
/// #     let latency = if (1000..2000).contains(&call) { 0.7 } else { 0.02 + f64::from(call % 97) / 4000.0 };
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

/// Parameters that lose so little more than the best lose the same: a trace is only one day.
const SAME: f64 = 0.02;
/// How long evidence may have to last. The first is the default.
const SUSTAINED: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

impl Suggest {
    /// For a backup whose answer is worth `worth`, from 0 to 1, where a good one of the primary's is worth 1.
    #[must_use]
    pub fn new(worth: f64) -> Self {
        Self {
            worth,
            objective: None,
            per_key: false,
        }
    }

    /// From when on an answer of the primary is worth nothing. Default: never, so that a slow answer is as good as a quick one.
    #[must_use]
    pub fn objective(self, objective: impl Into<Option<Duration>>) -> Self {
        Self {
            objective: objective.into(),
            ..self
        }
    }

    /// For a breaker per key. Default: one for all calls.
    #[must_use]
    pub fn per_key(self) -> Self {
        Self { per_key: true, ..self }
    }

    /// Finds them.
    ///
    /// # Errors
    ///
    /// A worth or an objective that can't be, or a trace with fewer than 100 successful calls.
    pub fn run(&self, trace: &Trace) -> Result<Suggestion, ConfigError> {
        self.run_with(trace, |_| ())
    }

    /// As [`run`](Self::run), and says before each replay how many have been done.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn run_with(&self, trace: &Trace, mut tell: impl FnMut(usize)) -> Result<Suggestion, ConfigError> {
        check_worth(self.worth)?;
        if let Some(objective) = self.objective {
            ConfigError::check_duration("objective", objective)?;
        }
        let latencies = Latencies::of(trace);
        if latencies.calls() < ENOUGH {
            let problem = format!("of {} successful calls", latencies.calls());
            return Err(ConfigError::out_of_range(
                "the trace",
                problem,
                format!("one with {ENOUGH} or more"),
            ));
        }
        let mut tried = Vec::new();
        let mut attempt = |tried: &mut Vec<Tried>, value: Value, sustained_for| {
            tell(tried.len());
            let config = self.config(value.slow_after(), sustained_for);
            tried.push(Tried {
                value,
                sustained_for,
                report: self.replay(config.clone()).run(trace)?,
                config,
            });
            Ok(())
        };
        for value in values(&latencies, self.objective) {
            attempt(&mut tried, value, SUSTAINED[0])?;
        }
        let mut chosen = preferred_of_the_best(&tried);
        let Tried { value, .. } = tried[chosen];
        for sustained_for in SUSTAINED.into_iter().skip(1) {
            attempt(&mut tried, value, sustained_for)?;
            let last = tried.len() - 1;
            if tried[last].merit().is_better_than(tried[chosen].merit()) {
                chosen = last;
            }
        }
        let Tried { sustained_for, .. } = tried[chosen];
        Ok(Suggestion {
            slow_after: value.slow_after(),
            tolerated_rate: rounded(tolerated_rate(self.worth)),
            sustained_for,
            config: tried[chosen].config.clone(),
            latencies,
            chosen,
            tried,
            search: self.clone(),
        })
    }

    pub(in crate::replay) fn replay(&self, config: Config) -> Replay {
        let replay = Replay::new(config).worth(self.worth).objective(self.objective);
        if self.per_key { replay.per_key() } else { replay }
    }

    fn config(&self, slow_after: SlowAfter, sustained_for: Duration) -> Config {
        let evidence = Evidence::tolerating(rounded(tolerated_rate(self.worth))).sustained_for(sustained_for);
        Config::default().slow_after(slow_after).trip_when(evidence)
    }

    pub(in crate::replay) fn has_objective(&self) -> bool {
        self.objective.is_some()
    }

    pub(in crate::replay) fn worth(&self) -> f64 {
        self.worth
    }
}

/// By what those that were tried are told apart.
#[derive(Clone, Copy, Debug)]
struct Merit {
    healthy_trips: usize,
    lost: f64,
}

impl Merit {
    /// Fewer trips on healthy calls; or as few, and clearly fewer lost answers.
    fn is_better_than(self, other: Self) -> bool {
        match self.healthy_trips.cmp(&other.healthy_trips) {
            Ordering::Less => true,
            Ordering::Equal => self.lost * (1.0 + SAME) < other.lost,
            Ordering::Greater => false,
        }
    }
}

impl Tried {
    fn merit(&self) -> Merit {
        Merit {
            healthy_trips: self.healthy_trips(),
            lost: self.lost(),
        }
    }
}

/// Of those that none is better than, the one with the [preferred](Value::preference) `slow_after`.
fn preferred_of_the_best(tried: &[Tried]) -> usize {
    let is_best = |one: &Tried| !tried.iter().any(|other| other.merit().is_better_than(one.merit()));
    let best = (0..tried.len()).filter(|index| is_best(&tried[*index]));
    best.max_by_key(|index| tried[*index].value.preference()).unwrap_or(0)
}

/// 1 − 0.9 isn't 0.1 in binary.
fn rounded(rate: f64) -> f64 {
    (rate * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trip_on_healthy_calls_weighs_more_than_any_answer_and_a_hundredth_of_the_answers_nothing() {
        let of = |healthy_trips, lost| Merit { healthy_trips, lost };
        assert!(of(0, 900.0).is_better_than(of(1, 1.0)));
        assert!(!of(1, 1.0).is_better_than(of(0, 900.0)));
        assert!(of(1, 100.0).is_better_than(of(1, 103.0)));
        assert!(!of(1, 100.0).is_better_than(of(1, 101.0)));
        assert!(!of(0, 0.0).is_better_than(of(0, 0.0)));
    }
}
