//! Measures nanoseconds per call, with the subjects taking turns.

use std::time::{Duration, Instant};

use crate::subject::{Subject, TEN};

/// How long a measurement takes, and how often it is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// How long each subject is called for in a round.
    pub batch: Duration,
}

/// Measures nanoseconds per call of each subject, round by round. The subjects take turns, so that
/// a slow phase of the machine affects all of them. Each round begins with another subject, so that
/// none always follows the same one.
pub fn interleaved(subjects: &mut [Box<dyn Subject>], effort: Effort, done: &dyn Fn()) -> Vec<Vec<f64>> {
    let calls: Vec<u64> = subjects
        .iter_mut()
        .map(|subject| calls_in(subject.as_mut(), effort.batch))
        .collect();
    let mut times = vec![Vec::with_capacity(effort.rounds); subjects.len()];
    for round in 0..effort.rounds {
        for turn in 0..subjects.len() {
            let index = (round + turn) % subjects.len();
            // Warms up, so that the caches hold what this subject needs.
            subjects[index].run(calls[index] / 20);
            times[index].push(nanoseconds_per_call(subjects[index].as_mut(), calls[index]));
        }
        done();
    }
    times
}

/// Like [`interleaved`], but for a subject that each call makes slower. The subject is made anew
/// before it has had more than a tenth of `step` calls.
pub(crate) fn unchanged(make: &dyn Fn() -> Box<dyn Subject>, step: u64, rounds: usize) -> Vec<f64> {
    let mut subject = make();
    let mut left = step / TEN;
    (0..rounds)
        .map(|_| {
            if left < TEN {
                subject = make();
                left = step / TEN;
            }
            left = left.saturating_sub(TEN);
            nanoseconds_per_call(subject.as_mut(), TEN)
        })
        .collect()
}

fn nanoseconds_per_call(subject: &mut dyn Subject, calls: u64) -> f64 {
    let start = Instant::now();
    subject.run(calls);
    start.elapsed().as_nanos() as f64 / calls as f64
}

/// Returns how many calls take about `time`.
pub(crate) fn calls_in(subject: &mut dyn Subject, time: Duration) -> u64 {
    let mut calls = TEN;
    loop {
        let start = Instant::now();
        subject.run(calls);
        let took = start.elapsed();
        if 4 * took >= time {
            let fitting = calls as f64 * time.as_secs_f64() / took.as_secs_f64();
            return (fitting as u64 / TEN).max(1) * TEN;
        }
        calls *= 2;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{contestant::Contestant, path::Path, row::Row};

    fn bare() -> Box<dyn Subject> {
        let (contestant, path) = (Contestant::Bare, Path::Closed);
        Row { contestant, path }.subject()
    }

    #[test]
    fn each_round_times_each_subject() {
        let rounds = Cell::new(0);
        let effort = Effort {
            rounds: 7,
            batch: Duration::from_micros(50),
        };
        let times = interleaved(&mut [bare(), bare()], effort, &|| rounds.set(rounds.get() + 1));
        assert_eq!(times.iter().map(Vec::len).collect::<Vec<_>>(), [7, 7]);
        assert_eq!(rounds.get(), 7);
        assert!(times.iter().flatten().all(|time| *time > 0.0));
    }

    #[test]
    fn subject_that_grows_is_made_anew_in_time() {
        let made = Cell::new(0);
        let make = || {
            made.set(made.get() + 1);
            bare()
        };
        assert_eq!(unchanged(&make, 1000, 25).len(), 25);
        assert_eq!(made.get(), 3, "each of them has a hundred calls");
        assert_eq!(unchanged(&make, 100, 4).len(), 4);
        assert_eq!(made.get(), 3 + 4);
    }
}
