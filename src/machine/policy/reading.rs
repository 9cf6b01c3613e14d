//! A policy beside what it is asked about, for snapshots, metrics and the console.
//!
//! A [`PolicyReading`] is a copy: it shows how near a closed breaker is to a trip, and decides
//! nothing.

use super::{
    Policy, Rule,
    counts::Counts,
    rate::{FailureRate, SlowCallRate},
    reason::TripReason,
};

/// A policy, and what it is asked about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PolicyReading {
    /// The policy: a single one.
    pub policy: Policy,
    /// Its counts.
    pub counts: Counts,
}

/// A measured value, and the threshold at which its policy trips.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// The value now: a level for evidence, a rate from 0 to 1, or a number of calls in a row.
    pub value: f64,
    /// The policy trips when the value reaches this.
    pub threshold: f64,
}

impl PolicyReading {
    pub(in crate::machine) fn new(rule: Rule, counts: Counts) -> Self {
        Self {
            policy: Policy::single(rule),
            counts,
        }
    }

    /// Returns what the policy goes by, in a few words that never vary: see [`Policy::name`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.policy.name()
    }

    /// Returns what is measured now, and the threshold at which the policy trips. `None` for a
    /// policy of a user's own, and for a rate of no calls.
    #[must_use]
    pub fn measured(&self) -> Option<Measurement> {
        let counts = &self.counts;
        let [rule] = self.policy.rules() else { return None };
        let (value, threshold) = match rule {
            Rule::Evidence(evidence) => {
                let bucket = counts.bucket?;
                (bucket.level, evidence.threshold(bucket.judged))
            }
            Rule::FailureRate(FailureRate(rate)) => (counts.failure_rate()?, rate.threshold),
            Rule::SlowCallRate(SlowCallRate(rate)) => (counts.slow_call_rate()?, rate.threshold),
            Rule::ConsecutiveFailures(policy) => (counts.bad_in_a_row as f64, policy.0 as f64),
            Rule::Custom(_) => return None,
        };
        Some(Measurement { value, threshold })
    }

    /// Returns the reason to trip, if the counts are enough for the policy now.
    #[must_use]
    pub fn trips(&self) -> Option<TripReason> {
        self.policy.rules().iter().find_map(|rule| rule.trip(&self.counts))
    }
}
