use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use super::builder::Plan;
use crate::machine::SplitMix64;

/// When one instance is checked.
#[derive(Debug)]
pub(super) struct Schedule {
    every: Duration,
    jitter: f64,
    rng: SplitMix64,
}

/// A breaker that is about to be ready for its trial is looked at no more often than this.
const SHORTEST: Duration = Duration::from_millis(50);

impl Schedule {
    pub(super) fn new(plan: &Plan, name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self {
            every: plan.every,
            jitter: plan.jitter,
            rng: SplitMix64::new(plan.seed ^ hasher.finish()),
        }
    }

    /// How long to wait for the first check: any time up to the interval, so that many instances are spread over it.
    pub(super) fn first(&mut self) -> Duration {
        self.every.mul_f64(self.rng.next())
    }

    /// How long to wait after a check that took so long, for a breaker that will have an open trial, if it has one, after `trial_in`.
    pub(super) fn next(&mut self, took: Duration, trial_in: Option<Duration>) -> Duration {
        let factor = 1.0 + self.jitter * (2.0 * self.rng.next() - 1.0);
        let regular = self.every.mul_f64(factor).saturating_sub(took);
        match trial_in {
            Some(trial_in) => regular.min(trial_in.max(SHORTEST)),
            None => regular,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(jitter: f64) -> Schedule {
        Schedule {
            every: Duration::from_secs(10),
            jitter,
            rng: SplitMix64::new(1),
        }
    }

    #[test]
    fn waits_are_within_their_jitter_and_differ() {
        let mut schedule = schedule(0.2);
        let waits: Vec<_> = (0..1000).map(|_| schedule.next(Duration::ZERO, None)).collect();
        let (least, most) = (waits.iter().min(), waits.iter().max());
        assert!(least >= Some(&Duration::from_secs(8)) && least < Some(&Duration::from_millis(8100)));
        assert!(most <= Some(&Duration::from_secs(12)) && most > Some(&Duration::from_millis(11_900)));
    }

    #[test]
    fn a_check_that_took_long_is_part_of_the_interval() {
        let mut schedule = schedule(0.0);
        assert_eq!(schedule.next(Duration::from_secs(3), None), Duration::from_secs(7));
        assert_eq!(schedule.next(Duration::from_secs(30), None), Duration::ZERO);
    }

    #[test]
    fn a_trial_comes_earlier_but_not_all_the_time() {
        let mut schedule = schedule(0.0);
        let mut next = |millis| schedule.next(Duration::ZERO, Some(Duration::from_millis(millis)));
        assert_eq!(next(700), Duration::from_millis(700));
        assert_eq!(next(0), SHORTEST);
        assert_eq!(next(60_000), Duration::from_secs(10));
    }
}
