use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    subject::Subject,
    timing::{Effort, calls_in},
};

/// The throughput of two threads that share a breaker, as a part of that with one breaker each, round by round. Threads that don't stand in
/// each other's way have 1.
///
/// `make` makes the same subject twice.
pub fn shared_to_own(make: &dyn Fn() -> Box<dyn Subject>, effort: Effort) -> Vec<f64> {
    let (mut one, mut other) = (make(), make());
    let mut shared = one.sharing();
    let calls = calls_in(one.as_mut(), effort.batch);
    let round = |one: &mut dyn Subject, with: &mut dyn Subject| both(one, with, calls).as_secs_f64();
    (0..effort.rounds)
        .map(|index| {
            // Which of them comes first changes, so that a machine that slows down favours neither.
            let (own, sharing);
            if index % 2 == 0 {
                own = round(one.as_mut(), other.as_mut());
                sharing = round(one.as_mut(), shared.as_mut());
            } else {
                sharing = round(one.as_mut(), shared.as_mut());
                own = round(one.as_mut(), other.as_mut());
            }
            own / sharing
        })
        .collect()
}

/// How long both take, each in a thread of its own, from when both have started.
fn both(one: &mut dyn Subject, other: &mut dyn Subject, calls: u64) -> Duration {
    let waiting = AtomicUsize::new(2);
    let timed = |subject: &mut dyn Subject| {
        subject.run(calls / 20);
        waiting.fetch_sub(1, Ordering::AcqRel);
        // To sleep would let one start long before the other.
        while waiting.load(Ordering::Acquire) > 0 {
            std::hint::spin_loop();
        }
        let start = Instant::now();
        subject.run(calls);
        start.elapsed()
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| timed(other));
        let one = timed(one);
        one.max(other.join().expect("a subject doesn't panic"))
    })
}
