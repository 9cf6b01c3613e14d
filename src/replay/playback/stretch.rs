use crate::machine::Timestamp;

use crate::replay::verdict::Verdict;

/// Since when calls have been bad, in hindsight.
///
/// Each call counts at its start, by what is known of it now: a bad one adds (1 − θ)/θ, a good one takes 1, never below 0. A stretch of
/// bad calls begins with the call that left 0 last.
#[derive(Clone, Debug)]
pub(in crate::replay) struct Stretch {
    weight: f64,
    level: f64,
    since: Timestamp,
}

impl Stretch {
    /// For a backup whose answer is worth `worth` of a good one.
    pub(in crate::replay) fn new(worth: f64) -> Self {
        let tolerated = crate::replay::tolerated_rate(worth);
        Self {
            weight: (1.0 - tolerated) / tolerated,
            level: 0.0,
            since: Timestamp::START,
        }
    }

    pub(in crate::replay) fn note(&mut self, verdict: Verdict, start: Timestamp) {
        match verdict {
            Verdict::Good => {
                self.level -= 1.0;
                // A sum of weights is off by a little.
                if self.level < 1e-9 {
                    self.level = 0.0;
                }
            }
            Verdict::Bad => {
                if self.level == 0.0 {
                    self.since = start;
                }
                self.level += self.weight;
            }
            Verdict::Unknown => {}
        }
    }

    /// When it began, if there is one.
    pub(in crate::replay) fn since(&self) -> Option<Timestamp> {
        (self.level > 0.0).then_some(self.since)
    }

    /// How far bad calls outweigh good ones.
    pub(in crate::replay) fn excess(&self) -> f64 {
        self.level
    }

    pub(in crate::replay) fn end(&mut self) {
        self.level = 0.0;
    }
}
