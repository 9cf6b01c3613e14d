use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    subject::Subject,
    timing::{Effort, calls_in},
    undisturbed::watched,
};

/// Two threads, two subjects: with a breaker each, or with one for both.
struct Pair {
    one: Box<dyn Subject>,
    sharing: Box<dyn Subject>,
    other: Box<dyn Subject>,
    /// Of each thread in a round.
    calls: u64,
}

/// A round that others disturbed is repeated, up to so many times.
const TRIES: usize = 5;

/// Of the time of a round, what a thread may have waited for a processor.
const DISTURBANCE: u32 = 50;

/// The throughput of two threads that share a breaker, as a part of that with one breaker each, round by round. Threads that don't stand in
/// each other's way have 1.
///
/// Each of `make` makes the same subject twice. They take turns, as in [`interleaved`](crate::timing::interleaved).
pub(crate) fn shared_to_own(make: &[&dyn Fn() -> Box<dyn Subject>], effort: Effort, done: &dyn Fn()) -> Vec<Vec<f64>> {
    let mut pairs: Vec<Pair> = make.iter().map(|make| Pair::new(*make, effort.batch)).collect();
    let mut ratios = vec![Vec::new(); pairs.len()];
    for round in 0..effort.rounds {
        for (pair, ratios) in pairs.iter_mut().zip(&mut ratios) {
            let mut tries = (0..TRIES).map(|_| pair.ratio(round % 2 == 0, effort.batch));
            // A round that is always disturbed is better left out.
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

    /// `None` where the round was disturbed. Which comes first changes, so that a machine that slows down favours neither.
    fn ratio(&mut self, own_first: bool, batch: Duration) -> Option<f64> {
        let Self {
            one,
            sharing,
            other,
            calls,
        } = self;
        let allowed = batch / DISTURBANCE;
        let mut both = |with: &mut dyn Subject| both(one.as_mut(), with, *calls, allowed);
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

/// How long both take, each in a thread of its own; `None` if they were disturbed, or not at it at the same time: threads that share a
/// processor take turns, and are never in each other's way.
fn both(one: &mut dyn Subject, other: &mut dyn Subject, calls: u64, allowed: Duration) -> Option<Duration> {
    let waiting = AtomicUsize::new(2);
    let timed = |subject: &mut dyn Subject| {
        subject.run(calls / 20);
        waiting.fetch_sub(1, Ordering::AcqRel);
        // To sleep would let one start long before the other.
        while waiting.load(Ordering::Acquire) > 0 {
            spin_loop();
        }
        let (span, undisturbed) = watched(allowed, || {
            let start = Instant::now();
            subject.run(calls);
            Span {
                start,
                end: Instant::now(),
            }
        });
        undisturbed.then_some(span)
    };
    let (one, other) = thread::scope(|scope| {
        let other = scope.spawn(|| timed(other));
        (timed(one), other.join().expect("a subject doesn't panic"))
    });
    one?.with(other?, allowed)
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: Instant,
    end: Instant,
}

impl Span {
    /// How long both lasted together, if they started together.
    fn with(self, other: Self, allowed: Duration) -> Option<Duration> {
        let (first, second) = (self.start.min(other.start), self.start.max(other.start));
        (second - first <= allowed).then(|| self.end.max(other.end) - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_count_where_they_start_together() {
        let t0 = Instant::now();
        let us = |us| t0 + Duration::from_micros(us);
        let span = |start, end| Span {
            start: us(start),
            end: us(end),
        };
        let allowed = Duration::from_micros(10);
        let together = span(0, 100).with(span(10, 120), allowed);
        assert_eq!(together, Some(Duration::from_micros(120)));
        assert_eq!(together, span(10, 120).with(span(0, 100), allowed));
        assert_eq!(span(0, 100).with(span(100, 200), allowed), None);
    }
}
