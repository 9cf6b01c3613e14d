//! Learning how long the primary's good calls take, from a few samples.
//!
//! The machine asks at each start whether to [sample the call](LatencyEstimator::sample_this_call),
//! and reports the latency of sampled calls that were good. After every 64 of them there is a new
//! [`Estimate`], from a histogram whose older samples weigh less. An estimate moves slowly, so that
//! an outage doesn't teach the breaker that slow is normal.

use std::time::Duration;

use crate::machine::{random::SplitMix64, time::Timestamp};

/// A call is slow when it takes so many times the p99 of the primary's good calls,
const SLOW_IS: f64 = 4.5;
/// but no call is slow that takes no longer than this.
const NEVER_UNDER: Duration = Duration::from_millis(100);

/// The least time between two samples. After it, a random number of calls is skipped, fewer than
/// there were before the last sample. So it samples one call in about 100 ms, and any call of a
/// burst: the first one, which finds no queue, is faster than the others.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
/// The most calls that are skipped, so that a rush isn't followed by a long time without samples.
const MOST_SKIPPED: u32 = 1000;
/// The number of samples between two estimates.
const BATCH: u32 = 64;

/// The time in which an estimate at most doubles, or halves. For so long after the first one it
/// falls freely, since a primary is often slow at first.
const DOUBLES_IN: Duration = Duration::from_secs(600);
/// The most of the time between two samples that counts towards [`DOUBLES_IN`]. An idle hour lets
/// an estimate grow by 1.2 %, and yet primaries that get a call every few seconds are learned about
/// as fast as busy ones.
const LONGEST_GAP: Duration = Duration::from_secs(10);

/// The number of buckets: four to an octave, and 20 octaves, from 1 ms to 1049 s.
const BUCKETS: usize = 81;
/// The weight of a new sample. Weights are halved at each estimate, so that a sample is forgotten
/// at the fifth.
const SAMPLE: u16 = 16;

/// An estimator of how long the primary's good calls take.
///
/// It learns from slow calls too, even in an outage. Otherwise a primary that has become slower for
/// good would never be trusted again. What protects against outages is that estimates move slowly.
#[derive(Clone, Debug)]
pub(in crate::machine) struct LatencyEstimator {
    rng: SplitMix64,
    /// From when on a call may be sampled: [`Timestamp::START`] once that time has come.
    next_sample: Timestamp,
    /// How many calls to skip, from then on.
    skips: u32,
    /// Calls since the last sample was chosen.
    calls: u32,
    /// Weights by latency. Each bucket holds the latencies above the edge before its own and up to
    /// its own; the last one holds all that are longer.
    buckets: [u16; BUCKETS],
    /// Samples since the last estimate.
    samples: u32,
    last_sample: Option<Timestamp>,
    /// The time spent learning since the last estimate, with no gap longer than [`LONGEST_GAP`].
    learning_for: Duration,
    estimate: Option<Estimate>,
}

/// A description of the call that has to ask the estimator next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum NextSample {
    /// The first call from this moment on.
    From(Timestamp),
    /// The call after so many others.
    After(u32),
}

/// An estimate of the latency, and what follows from it.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    p99: Duration,
    p50: Duration,
    slow_after: Duration,
    /// The time spent learning since the first estimate; not counted beyond [`DOUBLES_IN`].
    age: Duration,
}

impl LatencyEstimator {
    pub(in crate::machine) fn new(seed: u64) -> Self {
        Self {
            // Another stream of numbers than the one for jitter.
            rng: SplitMix64::new(!seed),
            next_sample: Timestamp::START,
            skips: 0,
            calls: 0,
            buckets: [0; BUCKETS],
            samples: 0,
            last_sample: None,
            learning_for: Duration::ZERO,
            estimate: None,
        }
    }

    /// Forgets what it has learned.
    pub(in crate::machine) fn forget(&mut self) {
        *self = Self {
            rng: self.rng.clone(),
            ..Self::new(0)
        };
    }

    /// Returns whether to learn from the call that starts at `now`.
    pub(in crate::machine) fn sample_this_call(&mut self, now: Timestamp) -> bool {
        self.calls = self.calls.saturating_add(1);
        if now < self.next_sample {
            return false;
        }
        self.next_sample = Timestamp::START;
        if self.skips > 0 {
            self.skips -= 1;
            return false;
        }
        self.next_sample = now + SAMPLE_EVERY;
        self.skips = (f64::from(self.calls.min(MOST_SKIPPED)) * self.rng.next()) as u32;
        self.calls = 0;
        true
    }

    /// Counts calls that have started without [asking](Self::sample_this_call). None of them may be
    /// the [next sample](Self::next_sample).
    pub(in crate::machine) fn skip(&mut self, calls: u32) {
        self.calls = self.calls.saturating_add(calls);
        if self.next_sample == Timestamp::START {
            self.skips = self.skips.saturating_sub(calls);
        }
    }

    /// Returns which call has to [ask](Self::sample_this_call) next.
    pub(in crate::machine) fn next_sample(&self) -> NextSample {
        if self.next_sample == Timestamp::START {
            NextSample::After(self.skips)
        } else {
            NextSample::From(self.next_sample)
        }
    }

    /// Makes the next call a sample: calls will be few for now.
    pub(in crate::machine) fn sample_next(&mut self) {
        self.next_sample = Timestamp::START;
        self.skips = 0;
        self.calls = 0;
    }

    /// Learns from a good call that has come back, and was sampled.
    pub(in crate::machine) fn learn(&mut self, latency: Duration, now: Timestamp) {
        let gap = self.last_sample.map_or(Duration::ZERO, |last| now.since(last));
        self.last_sample = Some(now);
        self.learning_for += gap.min(LONGEST_GAP);
        self.buckets[bucket(latency)] += SAMPLE;
        self.samples += 1;
        if self.samples == BATCH {
            self.estimate();
        }
    }

    /// Returns how long a call may take; `None` before the first estimate.
    pub(in crate::machine) fn slow_after(&self) -> Option<Duration> {
        self.estimate.map(|estimate| estimate.slow_after)
    }

    /// Returns the estimated 99th percentile of good calls' latency; `None` before the first
    /// estimate.
    pub(in crate::machine) fn p99(&self) -> Option<Duration> {
        self.estimate.map(|estimate| estimate.p99)
    }

    /// Returns the estimated median of good calls' latency; `None` before the first estimate.
    pub(in crate::machine) fn p50(&self) -> Option<Duration> {
        self.estimate.map(|estimate| estimate.p50)
    }

    /// Returns after how long a call that is given up counts as slow: 1.5 times the p99, since at
    /// most 1 % of healthy calls live that long.
    pub(in crate::machine) fn given_up_after(&self) -> Option<Duration> {
        self.p99().map(|p99| p99 * 3 / 2)
    }

    /// Makes a new estimate of the samples so far, and halves their weights.
    fn estimate(&mut self) {
        let measured = Estimate::of(self.quantile(99), self.quantile(50));
        let learning_for = std::mem::take(&mut self.learning_for);
        self.estimate = Some(match self.estimate {
            Some(estimate) => estimate.moved_towards(measured, learning_for),
            None => measured,
        });
        self.samples = 0;
        for weight in &mut self.buckets {
            *weight /= 2;
        }
    }

    /// Returns the latency that so many percent of the samples don't exceed.
    fn quantile(&self, percent: u32) -> Duration {
        let weight = |buckets: &[u16]| buckets.iter().map(|weight| u32::from(*weight)).sum::<u32>();
        let all = weight(&self.buckets);
        let reaches_it = |bucket: &usize| 100 * weight(&self.buckets[*bucket..]) > (100 - percent) * all;
        let bucket = (0..BUCKETS).rfind(reaches_it).unwrap_or(0);
        edge(bucket)
    }
}

impl Estimate {
    fn of(p99: Duration, p50: Duration) -> Self {
        Self {
            p99,
            p50,
            slow_after: p99.mul_f64(SLOW_IS).max(NEVER_UNDER),
            age: Duration::ZERO,
        }
    }

    /// Returns an estimate that has moved as far towards the measured one as it may in this time.
    fn moved_towards(self, measured: Self, learning_for: Duration) -> Self {
        let most = 2_f64.powf(learning_for.as_secs_f64() / DOUBLES_IN.as_secs_f64());
        let age = DOUBLES_IN.min(self.age + learning_for);
        let moved = |from: Duration, to: Duration| {
            let least = if age < DOUBLES_IN {
                Duration::ZERO
            } else {
                from.div_f64(most)
            };
            to.clamp(least, from.mul_f64(most))
        };
        Self {
            p99: moved(self.p99, measured.p99),
            p50: measured.p50,
            slow_after: moved(self.slow_after, measured.slow_after),
            age,
        }
    }
}

/// Returns the longest latency that belongs into a bucket: 1 ms × 2^(n/4).
fn edge(bucket: usize) -> Duration {
    const FIRST_OCTAVE: [u64; 4] = [1_000_000, 1_189_207, 1_414_214, 1_681_793];
    Duration::from_nanos(FIRST_OCTAVE[bucket % 4] << (bucket / 4))
}

/// Returns the bucket of a latency.
fn bucket(latency: Duration) -> usize {
    (0..BUCKETS - 1)
        .find(|bucket| latency <= edge(*bucket))
        .unwrap_or(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_a_few_hundred_bytes() {
        assert!(
            size_of::<LatencyEstimator>() <= 320,
            "{}",
            size_of::<LatencyEstimator>()
        );
    }

    #[test]
    fn a_sample_is_forgotten_at_the_fifth_estimate() {
        let mut estimator = LatencyEstimator::new(0);
        estimator.learn(Duration::from_secs(10), Timestamp::START);
        let weight = |estimator: &LatencyEstimator| estimator.buckets[bucket(Duration::from_secs(10))];
        let weights: Vec<_> = (0..5)
            .map(|_| {
                let before = weight(&estimator);
                estimator.estimate();
                before
            })
            .collect();
        assert_eq!((weights, weight(&estimator)), (vec![16, 8, 4, 2, 1], 0));
    }

    #[test]
    fn no_weight_overflows_however_long_it_learns() {
        let mut estimator = LatencyEstimator::new(0);
        for sample in 0..100 * u64::from(BATCH) {
            estimator.learn(Duration::from_secs(1), Timestamp::from_nanos(sample));
        }
        assert_eq!(estimator.buckets.iter().max(), Some(&(SAMPLE * BATCH as u16 - 1)));
    }
}
