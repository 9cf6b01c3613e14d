use std::time::Duration;

use loom::thread;
use tower_breaker::{
    Breaker, Outcome,
    policy::{FailureRate, SlidingWindow},
};

use crate::{HandClock, breaker, model_with};

/// One call's answer and the evaluation that finds it overdue come at once; another call is in the
/// same bucket, and hangs.
#[test]
fn an_overdue_call_is_counted_once_and_no_other_in_its_place() {
    // An evaluation goes through all shards: more switches than three would take hours.
    model_with(3, || {
        let clock = HandClock::default();
        let breaker = breaker(&clock, |builder| builder.slow_after(Duration::from_millis(100)));
        // The first one is for the latency estimator; these take the fast path.
        breaker.try_acquire().expect("it is closed").record(Outcome::Success);
        let (permit, hangs) = (
            breaker.try_acquire().expect("it is closed"),
            breaker.try_acquire().expect("it is closed"),
        );
        let another = thread::spawn(move || permit.record(Outcome::Success));
        clock.set(120);
        let _evaluates = breaker.try_acquire();
        another.join().unwrap();
        let snapshot = breaker.snapshot();
        assert_eq!(snapshot.policies[0].counts.calls, 3, "each is judged once");
        let totals = snapshot.totals.primary;
        // It was good and on time, or slow; the other one is slow in any case.
        assert_eq!(totals.succeeded, 2);
        assert!(totals.slow == 1 || totals.slow == 2, "{totals:?}");
        drop(hangs);
        let after = breaker.snapshot().totals.primary;
        assert_eq!((after.slow, after.cancelled), (totals.slow, 1));
    });
}

/// A call from before a reset ends as one from after it is watched, in the same bucket: that one
/// stays watched.
#[test]
fn a_call_from_before_a_reset_does_not_end_the_watch_of_another() {
    model_with(3, || {
        let clock = HandClock::default();
        let breaker = breaker(&clock, |builder| builder.slow_after(Duration::from_millis(100)));
        let sample = || breaker.try_acquire().expect("it is closed").record(Outcome::Success);
        // The first one of a generation is for the latency estimator; the next takes the fast path.
        sample();
        let permit = breaker.try_acquire().expect("it is closed");
        let another = thread::spawn(move || permit.record(Outcome::Success));
        breaker.reset("a new generation");
        sample();
        let hangs = breaker.try_acquire().expect("it is closed");
        another.join().unwrap();
        clock.set(120);
        // A step, which finds what is overdue.
        breaker.reconfigure(breaker.config()).expect("it is its own");
        let totals = breaker.snapshot().totals.primary;
        assert_eq!((totals.slow, totals.succeeded + totals.stale), (1, 3));
        drop(hangs);
    });
}

/// A call starts amid a reset: if it is of the generation that is over, nothing of it is left to be
/// overdue.
#[test]
fn a_call_that_starts_amid_a_reset_is_not_watched_after_it_has_ended() {
    model_with(3, || {
        let clock = HandClock::default();
        let breaker = breaker(&clock, |builder| builder.slow_after(Duration::from_millis(100)));
        let call = |breaker: &Breaker| breaker.try_acquire().expect("it is closed").record(Outcome::Success);
        call(&breaker);
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || call(&breaker)
        });
        breaker.reset("a new generation");
        call(&breaker);
        another.join().unwrap();
        clock.set(120);
        breaker.reconfigure(breaker.config()).expect("it is its own");
        let totals = breaker.snapshot().totals.primary;
        assert_eq!((totals.slow, totals.succeeded + totals.stale), (0, 3));
    });
}

/// A call starts on the fast path as a failure closes the gate, and a step finds nothing to watch:
/// the call takes the lock, or is watched all the same.
#[test]
fn a_call_that_starts_as_the_gate_closes_is_found_overdue() {
    model_with(3, || {
        let clock = HandClock::default();
        let breaker = breaker(&clock, |builder| {
            builder
                .slow_after(Duration::from_millis(100))
                .trip_when(FailureRate::at_least(1.0).over(SlidingWindow::last(Duration::from_secs(10))))
        });
        breaker.try_acquire().expect("it is closed").record(Outcome::Success);
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || breaker.try_acquire().expect("it is closed")
        });
        breaker.try_acquire().expect("it is closed").record(Outcome::Failure);
        clock.set(101);
        // A step, which may find nothing to watch yet.
        breaker.reconfigure(breaker.config()).expect("it is its own");
        let hangs = another.join().unwrap();
        clock.set(350);
        breaker.reconfigure(breaker.config()).expect("it is its own");
        let totals = breaker.snapshot().totals.primary;
        drop(hangs);
        assert_eq!(totals.slow, 1);
    });
}
