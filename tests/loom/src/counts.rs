use std::time::Duration;

use loom::thread;
use tower_breaker::{
    Breaker, Outcome,
    policy::{FailureRate, SlidingWindow},
};

use crate::{HandClock, breaker, model};

fn call(breaker: &Breaker, outcome: Outcome) {
    breaker.try_acquire().expect("it is closed").record(outcome);
}

/// Good calls in two shards, while another thread takes what they have counted.
#[test]
fn no_good_call_is_lost_while_another_thread_reads() {
    model(|| {
        let breaker = breaker(&HandClock::default(), |builder| builder);
        call(&breaker, Outcome::Success);
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || {
                call(&breaker, Outcome::Success);
                drop(breaker.snapshot());
            }
        });
        call(&breaker, Outcome::Success);
        another.join().unwrap();
        let snapshot = breaker.snapshot();
        assert_eq!(
            (snapshot.totals.primary.calls, snapshot.totals.primary.succeeded),
            (3, 3)
        );
        assert_eq!((snapshot.in_flight, snapshot.policies[0].counts.calls), (0, 3));
    });
}

/// A failure closes the gate of a window of time, and another slice of it opens the gate: the good
/// calls are in one or the other.
#[test]
fn no_good_call_is_lost_where_a_window_rolls() {
    model(|| {
        let clock = HandClock::default();
        let breaker = breaker(&clock, |builder| {
            builder.trip_when(FailureRate::at_least(1.0).over(SlidingWindow::last(Duration::from_secs(1))))
        });
        call(&breaker, Outcome::Success);
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || call(&breaker, Outcome::Success)
        });
        clock.set(60);
        call(&breaker, Outcome::Failure);
        another.join().unwrap();
        // To look decides nothing; a step takes what has come too late.
        breaker.reconfigure(breaker.config()).expect("it is its own");
        let counts = breaker.snapshot().policies[0].counts;
        assert_eq!((counts.calls, counts.failed), (3, 1));
    });
}

/// A failure closes the gate of a window of time while a good call stands still just before it is
/// counted, on a thread that owns its shard.
#[test]
fn no_good_call_is_lost_that_is_counted_too_late() {
    model(|| {
        let breaker = breaker(&HandClock::default(), |builder| {
            builder.trip_when(FailureRate::at_least(1.0).over(SlidingWindow::last(Duration::from_secs(1))))
        });
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || {
                // The first one is timed; the other may not be.
                call(&breaker, Outcome::Success);
                call(&breaker, Outcome::Success);
            }
        });
        call(&breaker, Outcome::Failure);
        another.join().unwrap();
        assert_eq!(breaker.snapshot().in_flight, 0);
        // To look decides nothing; a step takes what has come.
        call(&breaker, Outcome::Success);
        let snapshot = breaker.snapshot();
        let counts = snapshot.policies[0].counts;
        assert_eq!((counts.calls, counts.failed), (4, 1));
        assert_eq!(snapshot.totals.primary.succeeded, 3);
    });
}
