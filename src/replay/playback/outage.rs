//! Finds since when calls have been bad, in hindsight.

use crate::{machine::Timestamp, replay::worth::tolerated_rate};

/// A tracker of outages: since when bad calls have outweighed good ones, and by how much.
///
/// Each call counts at its start, by what the trace says of its end. A bad call adds (1 − θ)/θ to
/// the excess, where θ is the tolerated rate; a good call subtracts 1, but never below 0. An outage
/// begins with the call that last raised the excess from 0.
#[derive(Clone, Debug)]
pub(crate) struct OutageTracker {
    /// What a bad call adds, where a good one subtracts 1.
    bad_weight: f64,
    excess: f64,
    since: Timestamp,
}

impl OutageTracker {
    /// Returns a tracker for a backup of this worth, from 0 to 1.
    pub(crate) fn new(worth: f64) -> Self {
        let tolerated = tolerated_rate(worth);
        Self {
            bad_weight: (1.0 - tolerated) / tolerated,
            excess: 0.0,
            since: Timestamp::START,
        }
    }

    /// Counts a call that started at `start`. A call of unknown outcome changes nothing.
    pub(crate) fn count(&mut self, was_good: Option<bool>, start: Timestamp) {
        match was_good {
            Some(true) => {
                self.excess -= 1.0;
                // Rounding can leave a tiny rest in a sum of weights.
                if self.excess < 1e-9 {
                    self.excess = 0.0;
                }
            }
            Some(false) => {
                if self.excess == 0.0 {
                    self.since = start;
                }
                self.excess += self.bad_weight;
            }
            None => {}
        }
    }

    /// Returns when the current outage began, or `None` if there is none.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        (self.excess > 0.0).then_some(self.since)
    }

    /// Returns by how much bad calls outweigh good ones.
    pub(crate) fn excess(&self) -> f64 {
        self.excess
    }

    /// Ends the current outage: the breaker has closed.
    pub(crate) fn end(&mut self) {
        self.excess = 0.0;
    }
}
