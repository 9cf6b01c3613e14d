use std::time::Duration;

use super::{Timestamp, cooldown::SplitMix64};

/// A call is slow when it takes so many times the p99 of the primary's good calls,
const SLOW_IS: f64 = 4.5;
/// but no call is slow that takes no longer than this.
const NEVER_UNDER: Duration = Duration::from_millis(100);

/// Between two samples there is at least this time; then a random number of calls, fewer than there were before the last sample, are passed
/// over. So it is one in about 100 ms, and any call of a burst: the first one, which finds no queue, is faster than the others.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
/// However many calls there were, no more are passed over, lest a great rush were followed by a long time without samples.
const MOST_PASSED_OVER: u32 = 1000;
/// So many samples make a reading.
const BATCH: u32 = 64;

/// What has been learned at most doubles, or halves, in this time; and for so long after the first reading it falls as it will, since a
/// primary is often slow at first.
const DOUBLES_IN: Duration = Duration::from_secs(600);
/// Of the time between two samples, no more than this counts towards that: an idle hour lets it grow by 1.2 %, and yet primaries that get
/// a call every few seconds are learned about as fast as busy ones.
const LONGEST_GAP: Duration = Duration::from_secs(10);

/// Four to an octave, and 20 octaves: from 1 ms to 1049 s.
const BUCKETS: usize = 81;
/// What a sample weighs at first. Weights are halved at each reading, so it is forgotten at the fifth.
const SAMPLE: u16 = 16;

/// How long the primary's good calls take, learned from a few of them.
///
/// Slow calls are learned from too, even in an outage, or a primary that has become slower for good would never be trusted again. What
/// protects against outages is that the yardstick changes slowly.
#[derive(Clone, Debug)]
pub(super) struct LatencyEstimator {
    rng: SplitMix64,
    /// The start, once it has come.
    next_sample: Timestamp,
    /// Calls to pass over, from then on.
    pass_over: u32,
    /// Calls since the last sample was chosen.
    calls: u32,
    /// Weights by latency. Each bucket holds what is longer than the edge before its own and no longer than that; the last one, all the rest.
    buckets: [u16; BUCKETS],
    /// Samples since the last reading.
    samples: u32,
    last_sample: Option<Timestamp>,
    /// The time spent learning since the last reading, with no gap longer than [`LONGEST_GAP`].
    learning_for: Duration,
    reading: Option<Reading>,
}

/// Which call decides what is learned from next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextSample {
    /// The first one from this moment on.
    From(Timestamp),
    /// The one after so many others.
    After(u32),
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    p99: Duration,
    p50: Duration,
    slow_after: Duration,
    /// The time spent learning since the first reading; not counted beyond [`DOUBLES_IN`].
    age: Duration,
}

impl LatencyEstimator {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            // Not the stream that jitter takes its numbers from.
            rng: SplitMix64::new(!seed),
            next_sample: Timestamp::START,
            pass_over: 0,
            calls: 0,
            buckets: [0; BUCKETS],
            samples: 0,
            last_sample: None,
            learning_for: Duration::ZERO,
            reading: None,
        }
    }

    /// Forgets what it has learned.
    pub(super) fn forget(&mut self) {
        *self = Self {
            rng: self.rng.clone(),
            ..Self::new(0)
        };
    }

    /// Whether the call that starts at `now` is one to learn from.
    pub(super) fn picks(&mut self, now: Timestamp) -> bool {
        self.calls = self.calls.saturating_add(1);
        if now < self.next_sample {
            return false;
        }
        self.next_sample = Timestamp::START;
        if self.pass_over > 0 {
            self.pass_over -= 1;
            return false;
        }
        self.next_sample = now + SAMPLE_EVERY;
        self.pass_over = (f64::from(self.calls.min(MOST_PASSED_OVER)) * self.rng.next()) as u32;
        self.calls = 0;
        true
    }

    /// Calls have started that this wasn't asked about: none of them was the [next pick](Self::next_sample).
    pub(super) fn pass(&mut self, calls: u32) {
        self.calls = self.calls.saturating_add(calls);
        if self.next_sample == Timestamp::START {
            self.pass_over = self.pass_over.saturating_sub(calls);
        }
    }

    /// Which call has to be [asked about](Self::picks) next.
    pub(super) fn next_sample(&self) -> NextSample {
        if self.next_sample == Timestamp::START {
            NextSample::After(self.pass_over)
        } else {
            NextSample::From(self.next_sample)
        }
    }

    /// Calls will be few for now: the next one is worth a sample.
    pub(super) fn sample_next(&mut self) {
        self.next_sample = Timestamp::START;
        self.pass_over = 0;
        self.calls = 0;
    }

    /// Learns from a good call that has come back.
    pub(super) fn learn(&mut self, latency: Duration, now: Timestamp) {
        let gap = self.last_sample.map_or(Duration::ZERO, |last| now.since(last));
        self.last_sample = Some(now);
        self.learning_for += gap.min(LONGEST_GAP);
        self.buckets[bucket(latency)] += SAMPLE;
        self.samples += 1;
        if self.samples == BATCH {
            self.read();
        }
    }

    /// How long a call may take; `None` before the first reading.
    pub(super) fn slow_after(&self) -> Option<Duration> {
        self.reading.map(|reading| reading.slow_after)
    }

    /// No longer than this take 99 % of the good calls; `None` before the first reading.
    pub(super) fn p99(&self) -> Option<Duration> {
        self.reading.map(|reading| reading.p99)
    }

    /// No longer than this take half of them.
    pub(super) fn p50(&self) -> Option<Duration> {
        self.reading.map(|reading| reading.p50)
    }

    /// After how long a call that is given up counts as slow: 1.5 times the p99, for at most 1 % of healthy calls live that long.
    pub(super) fn given_up_after(&self) -> Option<Duration> {
        self.p99().map(|p99| p99 * 3 / 2)
    }

    fn read(&mut self) {
        let measured = Reading::of(self.measured(99), self.measured(50));
        let learning_for = std::mem::take(&mut self.learning_for);
        self.reading = Some(match self.reading {
            Some(reading) => reading.moved_towards(measured, learning_for),
            None => measured,
        });
        self.samples = 0;
        for weight in &mut self.buckets {
            *weight /= 2;
        }
    }

    /// No longer than this take so many percent of the calls in the buckets.
    fn measured(&self, percent: u32) -> Duration {
        let weight = |buckets: &[u16]| buckets.iter().map(|weight| u32::from(*weight)).sum::<u32>();
        let all = weight(&self.buckets);
        let reaches_it = |bucket: &usize| 100 * weight(&self.buckets[*bucket..]) > (100 - percent) * all;
        let bucket = (0..BUCKETS).rfind(reaches_it).unwrap_or(0);
        edge(bucket)
    }
}

impl Reading {
    fn of(p99: Duration, p50: Duration) -> Self {
        Self {
            p99,
            p50,
            slow_after: p99.mul_f64(SLOW_IS).max(NEVER_UNDER),
            age: Duration::ZERO,
        }
    }

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

/// The longest latency that belongs into a bucket: 1 ms × 2^(n/4).
fn edge(bucket: usize) -> Duration {
    const FIRST_OCTAVE: [u64; 4] = [1_000_000, 1_189_207, 1_414_214, 1_681_793];
    Duration::from_nanos(FIRST_OCTAVE[bucket % 4] << (bucket / 4))
}

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
    fn a_sample_is_forgotten_at_the_fifth_reading() {
        let mut estimator = LatencyEstimator::new(0);
        estimator.learn(Duration::from_secs(10), Timestamp::START);
        let weight = |estimator: &LatencyEstimator| estimator.buckets[bucket(Duration::from_secs(10))];
        let weights: Vec<_> = (0..5)
            .map(|_| {
                let before = weight(&estimator);
                estimator.read();
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
