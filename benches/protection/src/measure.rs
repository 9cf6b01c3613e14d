//! What is counted in one run: how each request ended, what the breaker did, and when.

use std::time::Duration;

use tower_breaker::clock::Timestamp;

/// The measures of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measures {
    pub requests: u64,
    /// The worth of all answers: 1 for a good one of the primary in time, the backup's worth for
    /// one of the backup in time, and 0 otherwise.
    pub utility: f64,
    /// Answers of the primary within the objective.
    pub good: u64,
    /// Answers of the primary or the backup that came too late.
    pub slow: u64,
    /// Answers of the backup within the objective.
    pub by_backup: u64,
    /// Requests that ended in an error, a timeout or a refusal.
    pub errors: u64,
    /// Requests whose callers gave up.
    pub dropped: u64,
    /// Attempts that were sent to the primary.
    pub to_primary: u64,
    /// Attempts at the primary that the reference would have refused.
    pub wasted: u64,
    /// Attempts that the contestant refused.
    pub refused: u64,
    /// Changes from closed to open.
    pub trips: u64,
    /// Trips while the primary was healthy, or in a scenario in which a breaker must not trip.
    pub false_trips: u64,
    /// Changes from half-open to open.
    pub reopened: u64,
    /// Changes from half-open to open after the last fault.
    pub reopened_in_recovery: u64,
    /// The time from the first fault to the first trip.
    pub time_to_trip: Option<Duration>,
    /// The time from the end of the last fault until the primary gets at least 18 of 20 attempts.
    pub time_to_primary: Option<Duration>,
    /// The most attempts at the primary in any one second since the first fault, as a multiple of
    /// its capacity.
    pub peak_load: Option<f64>,
    pub crashes: u64,
    latencies: Latencies,
}

impl Measures {
    /// Returns the latency that this share of the answered requests stayed below.
    pub fn latency(&self, share: f64) -> Option<Duration> {
        self.latencies.quantile(share)
    }

    pub(crate) fn answered_after(&mut self, latency: Duration) {
        self.latencies.note(latency);
    }

    /// Returns the share of all attempts that the contestant refused.
    pub fn refused_rate(&self) -> f64 {
        self.refused as f64 / (self.refused + self.to_primary).max(1) as f64
    }

    /// Returns the answers lost per 1000 requests, compared with the reference.
    pub fn regret(&self, reference: &Self) -> f64 {
        1000.0 * (reference.utility - self.utility) / reference.requests.max(1) as f64
    }
}

/// Latencies in logarithmic buckets, in steps of at most 1/32.
#[derive(Clone, Debug, Default, PartialEq)]
struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

/// The bits of a float's fraction below the five that are kept.
const DROPPED_BITS: u32 = 23 - 5;

/// The step of 2⁻²⁰ s. Shorter latencies count as that one.
const FIRST_STEP: usize = (127 - 20) << 5;

impl Latencies {
    fn note(&mut self, latency: Duration) {
        let step = ((latency.as_secs_f32().to_bits() >> DROPPED_BITS) as usize).saturating_sub(FIRST_STEP);
        if self.counts.len() <= step {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += 1;
        self.total += 1;
    }

    fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let step = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        let seconds = f32::from_bits((((FIRST_STEP + step) as u32) << DROPPED_BITS) | (1 << (DROPPED_BITS - 1)));
        Some(Duration::from_secs_f32(seconds))
    }
}

/// What happened over time, for a picture.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Slots of equal length.
    pub slots: Vec<Slot>,
    pub slot: Duration,
    /// When each instance's gate changed, and to what.
    pub gates: Vec<(Timestamp, u32, crate::contestant::Gate)>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    /// Requests that arrived.
    pub demand: u32,
    /// Attempts at the primary.
    pub to_primary: u32,
    /// Attempts that were refused.
    pub refused: u32,
    /// Requests that were lost: errors, late answers, callers who gave up.
    pub lost: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_32nd() {
        let mut measures = Measures::default();
        for millis in 1..=1000 {
            measures.answered_after(Duration::from_millis(millis));
        }
        for (share, millis) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let seen = measures.latency(share).unwrap().as_secs_f64() * 1000.0;
            assert!((seen / millis - 1.0).abs() <= 1.0 / 32.0, "{share}: {seen}");
        }
        assert_eq!(Measures::default().latency(0.5), None);
    }
}
