//! Configurations that were tried, and which of two is better.

use std::{cmp::Ordering, time::Duration};

use super::candidates::SlowAfterCandidate;
use crate::{config::Config, replay::report::Report};

/// A configuration that was tried, and its report.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) candidate: SlowAfterCandidate,
    pub(crate) sustained_for: Duration,
    pub(crate) config: Config,
    pub(crate) report: Report,
}

impl Attempt {
    /// Returns the number of trips on a healthy primary.
    pub(crate) fn healthy_trips(&self) -> usize {
        let worth = self.report.worth;
        self.report.trips.iter().filter(|trip| trip.was_healthy(worth)).count()
    }

    /// Returns the lost answers per thousand known calls.
    pub(crate) fn lost_per_thousand(&self) -> f64 {
        self.report.per_thousand(self.report.lost())
    }

    /// Returns whether this attempt is better than another.
    pub(crate) fn is_better_than(&self, other: &Self) -> bool {
        self.merit().is_better_than(other.merit())
    }

    fn merit(&self) -> Merit {
        Merit {
            healthy_trips: self.healthy_trips(),
            lost: self.lost_per_thousand(),
        }
    }
}

/// A pair of figures by which attempts are compared.
#[derive(Clone, Copy, Debug)]
struct Merit {
    healthy_trips: usize,
    lost: f64,
}

/// The relative difference up to which two numbers of lost answers are equal: a trace is only one
/// day.
const EQUAL_WITHIN: f64 = 0.02;

impl Merit {
    /// Returns whether these are fewer trips on a healthy primary, or as many and clearly fewer
    /// lost answers.
    fn is_better_than(self, other: Self) -> bool {
        match self.healthy_trips.cmp(&other.healthy_trips) {
            Ordering::Less => true,
            Ordering::Equal => self.lost * (1.0 + EQUAL_WITHIN) < other.lost,
            Ordering::Greater => false,
        }
    }
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
