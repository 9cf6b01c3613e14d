//! When the checks of one instance are made. Pure: delays in, delays out.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use super::builder::AgentConfig;
use crate::machine::SplitMix64;

/// A schedule of the checks of one instance.
#[derive(Debug)]
pub(super) struct Schedule {
    every: Duration,
    jitter: f64,
    rng: SplitMix64,
}

/// The shortest wait for a trial, so that checks don't spin while a breaker is about to be ready.
const MIN_WAIT: Duration = Duration::from_millis(50);

impl Schedule {
    pub(super) fn new(config: &AgentConfig, name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self {
            every: config.every,
            jitter: config.jitter,
            rng: SplitMix64::new(config.seed ^ hasher.finish()),
        }
    }

    /// Returns the wait before the first check: a random part of the interval, so that the checks
    /// of many instances are spread over it.
    pub(super) fn first(&mut self) -> Duration {
        self.every.mul_f64(self.rng.next())
    }

    /// Returns the wait after a check that took `took`.
    ///
    /// `trial_in` is the time until the breaker has a trial to make, if it waits for one.
    pub(super) fn next(&mut self, took: Duration, trial_in: Option<Duration>) -> Duration {
        let factor = 1.0 + self.jitter * (2.0 * self.rng.next() - 1.0);
        let regular = self.every.mul_f64(factor).saturating_sub(took);
        match trial_in {
            Some(trial_in) => regular.min(trial_in.max(MIN_WAIT)),
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
    fn a_trial_comes_earlier_but_not_at_once() {
        let mut schedule = schedule(0.0);
        let mut next = |millis| schedule.next(Duration::ZERO, Some(Duration::from_millis(millis)));
        assert_eq!(next(700), Duration::from_millis(700));
        assert_eq!(next(0), MIN_WAIT);
        assert_eq!(next(60_000), Duration::from_secs(10));
    }
}
