use std::{collections::BTreeMap, ops::Bound, time::Duration};

use super::{Nanos, SECOND, nanos};

/// All that was ever learned from, as lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct LatencyEstimator {
    /// The calls since the last one that was sampled, and before it since the one before.
    calls: Vec<Nanos>,
    calls_before: usize,
    sampled_at: Option<Nanos>,
    samples: Vec<Sample>,
    reading: Option<Reading>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    /// To a quarter of an octave.
    took: Nanos,
    at: Nanos,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) p99: Duration,
    pub(crate) slow_after: Duration,
}

const BATCH: usize = 64;
const TEN_MINUTES: f64 = 600.0;

impl LatencyEstimator {
    pub(crate) fn reading(&self) -> Option<Reading> {
        self.reading
    }

    /// Takes over how rounding has made it, where that is known and hardly differs.
    pub(crate) fn pin(&mut self, p99: Option<Duration>, slow_after: Option<Duration>) {
        if let Some(reading) = &mut self.reading {
            let near = |a: Duration, b: Duration| {
                a.abs_diff(b) <= Duration::from_nanos(2 + a.as_nanos() as u64 / 1_000_000_000)
            };
            let pinned = |own: Duration, read: Option<Duration>| read.filter(|read| near(own, *read)).unwrap_or(own);
            reading.p99 = pinned(reading.p99, p99);
            reading.slow_after = pinned(reading.slow_after, slow_after);
        }
    }

    /// A call is admitted. Whether it may, or may not, be sampled.
    pub(crate) fn may(&mut self, sampled: bool, now: Nanos) -> bool {
        let due = |call: &Nanos| self.sampled_at.is_none_or(|at| *call >= at.saturating_add(SECOND / 20));
        self.calls.push(now);
        let passed_over = self.calls.iter().filter(|call| due(call)).count();
        let may = match sampled {
            true => due(&now),
            // The calls that are passed over are fewer than those between the samples before.
            false => !due(&now) || passed_over < self.calls_before.min(1000),
        };
        if sampled {
            self.calls_before = self.calls.len();
            self.calls.clear();
            self.sampled_at = Some(now);
        }
        may
    }

    /// The next call is sampled.
    pub(crate) fn start_sampling(&mut self) {
        self.calls.clear();
        self.calls_before = 0;
        self.sampled_at = None;
    }

    pub(crate) fn learn(&mut self, took: Nanos, now: Nanos) {
        self.samples.push(Sample {
            took: edge(took),
            at: now,
        });
        if self.samples.len() % BATCH == 0 {
            let measured = self.measure();
            self.reading = Some(match self.reading {
                Some(before) => self.approach(before, measured),
                None => measured,
            });
        }
    }

    fn measure(&self) -> Reading {
        let batches = self.samples.len() / BATCH;
        let mut weights = BTreeMap::<Nanos, f64>::new();
        for (index, sample) in self.samples.iter().enumerate() {
            let age = batches - 1 - index / BATCH;
            *weights.entry(sample.took).or_default() += 0.5_f64.powi(age as i32);
        }
        // Of calls that took about as long, a sixteenth of one is the least that counts.
        let weight = |from: Bound<Nanos>| {
            let weights = weights.range((from, Bound::Unbounded));
            weights.map(|(_, weight)| (16.0 * weight).floor()).sum::<f64>()
        };
        let is_p99 = |took: &&Nanos| 100.0 * weight(Bound::Excluded(**took)) <= weight(Bound::Included(0));
        let p99 = *weights.keys().find(is_p99).expect("none takes longer than the longest");
        Reading {
            p99: Duration::from_nanos(p99),
            slow_after: Duration::from_nanos((p99 * 9 / 2).max(SECOND / 10)),
        }
    }

    fn approach(&self, before: Reading, measured: Reading) -> Reading {
        // What lies between two samples counts up to ten seconds.
        let spent = |samples: &[Sample]| {
            let gaps = samples
                .windows(2)
                .map(|pair| (pair[1].at - pair[0].at).min(10 * SECOND));
            Duration::from_nanos(gaps.sum()).as_secs_f64()
        };
        let this_batch = &self.samples[self.samples.len() - BATCH - 1..];
        let since_the_first = spent(&self.samples[BATCH - 1..]);
        let factor = 2_f64.powf(spent(this_batch) / TEN_MINUTES);
        let approach = |from: Duration, to: Duration| {
            let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
            let reached = match to > from {
                true => to.min(from * factor),
                false if since_the_first < TEN_MINUTES => to,
                false => to.max(from / factor),
            };
            Duration::from_secs_f64(reached)
        };
        Reading {
            p99: approach(before.p99, measured.p99),
            slow_after: approach(before.slow_after, measured.slow_after),
        }
    }
}

/// The longest time that falls into the same bucket as this one. An octave has four buckets.
fn edge(took: Nanos) -> Nanos {
    let octaves = (0..=20).flat_map(|octave| [1_000_000, 1_189_207, 1_414_214, 1_681_793].map(|edge| edge << octave));
    let longest = nanos(Duration::from_millis(1 << 20));
    octaves
        .take_while(|edge| *edge < longest)
        .find(|edge| took <= *edge)
        .unwrap_or(longest)
}
