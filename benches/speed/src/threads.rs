//! Measures how much two threads that share a breaker slow each other down.

use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    subject::Subject,
    timing::{Effort, calls_in},
    waited::{waited, waited_since},
};

/// The subjects of two threads: with a breaker each, or with one for both.
struct Pair {
    one: Box<dyn Subject>,
    sharing: Box<dyn Subject>,
    other: Box<dyn Subject>,
    /// Calls that each thread makes in a round.
    calls: u64,
}

/// How often a disturbed round is repeated.
const TRIES: usize = 25;

/// The part of a round's time, as a divisor, that a thread may have waited for a processor or for
/// the other thread to start.
const DISTURBANCE: u32 = 50;

/// Measures the throughput of two threads that share a breaker, divided by their throughput with
/// one breaker each, round by round. The ratio is 1 if the threads don't slow each other down.
///
/// Each of `make` is called twice, and has to make the same subject both times. The pairs take
/// turns, like the subjects of [`interleaved`](crate::timing::interleaved).
pub(crate) fn shared_to_own(make: &[&dyn Fn() -> Box<dyn Subject>], effort: Effort, done: &dyn Fn()) -> Vec<Vec<f64>> {
    let mut pairs: Vec<Pair> = make.iter().map(|make| Pair::new(*make, effort.batch)).collect();
    let mut ratios = vec![Vec::new(); pairs.len()];
    for round in 0..effort.rounds {
        for (pair, ratios) in pairs.iter_mut().zip(&mut ratios) {
            let mut tries = (0..TRIES).map(|_| pair.ratio(round % 2 == 0));
            // A round that is disturbed on every try is left out.
            ratios.extend(tries.find_map(|ratio| ratio));
        }
        done();
    }
    ratios
}

impl Pair {
    fn new(make: &dyn Fn() -> Box<dyn Subject>, batch: Duration) -> Self {
        let mut one = make();
        Self {
            sharing: one.sharing(),
            other: make(),
            calls: calls_in(one.as_mut(), batch),
            one,
        }
    }

    /// Returns `None` if the round was disturbed. The order alternates, so that a machine that
    /// slows down favors neither.
    fn ratio(&mut self, own_first: bool) -> Option<f64> {
        let Self {
            one,
            sharing,
            other,
            calls,
        } = self;
        let mut both = |with: &mut dyn Subject| both(one.as_mut(), with, *calls);
        let (own, shared) = if own_first {
            let own = both(other.as_mut())?;
            (own, both(sharing.as_mut())?)
        } else {
            let shared = both(sharing.as_mut())?;
            (both(other.as_mut())?, shared)
        };
        Some(own.as_secs_f64() / shared.as_secs_f64())
    }
}

/// Returns how long both subjects take, each on a thread of its own. Returns `None` if they were
/// disturbed, or did not run at the same time: threads that share a processor take turns and never
/// slow each other down.
fn both(one: &mut dyn Subject, other: &mut dyn Subject, calls: u64) -> Option<Duration> {
    let waiting = AtomicUsize::new(2);
    let timed = |subject: &mut dyn Subject| {
        subject.run(calls / 20);
        waiting.fetch_sub(1, Ordering::AcqRel);
        // A sleeping thread would start long after the other.
        while waiting.load(Ordering::Acquire) > 0 {
            spin_loop();
        }
        let waited = waited();
        let start = Instant::now();
        subject.run(calls);
        Span {
            start,
            end: Instant::now(),
            waited: waited_since(waited),
        }
    };
    let (one, other) = thread::scope(|scope| {
        let other = scope.spawn(|| timed(other));
        (timed(one), other.join().expect("a subject doesn't panic"))
    });
    one.with(other)
}

/// When a thread ran.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: Instant,
    end: Instant,
    /// How long it waited for a processor.
    waited: Duration,
}

impl Span {
    /// Returns how long both threads ran together. Returns `None` if they didn't, or were
    /// disturbed.
    fn with(self, other: Self) -> Option<Duration> {
        let lasted = self.end.max(other.end) - self.start.min(other.start);
        let apart = self.start.max(other.start) - self.start.min(other.start);
        let worst = apart.max(self.waited).max(other.waited);
        (worst <= lasted / DISTURBANCE).then_some(lasted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64, waited: u64) -> Span {
        // Any fixed instant will do.
        static T0: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let at = |us| *T0.get_or_init(Instant::now) + Duration::from_micros(us);
        Span {
            start: at(start),
            end: at(end),
            waited: Duration::from_micros(waited),
        }
    }

    #[test]
    fn spans_count_where_they_start_together() {
        let together = span(0, 1000, 0).with(span(20, 1200, 0));
        assert_eq!(together, Some(Duration::from_micros(1200)));
        assert_eq!(together, span(20, 1200, 0).with(span(0, 1000, 0)));
        assert_eq!(span(0, 1000, 0).with(span(1000, 2000, 0)), None, "one after the other");
    }

    #[test]
    fn span_with_a_long_wait_is_disturbed() {
        assert!(span(0, 1000, 20).with(span(0, 1000, 0)).is_some());
        assert!(span(0, 1000, 21).with(span(0, 1000, 0)).is_none());
        assert!(span(0, 1000, 0).with(span(0, 1000, 500)).is_none());
    }
}
