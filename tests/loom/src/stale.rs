use loom::thread;
use tower_breaker::{Breaker, Outcome};

use crate::{HandClock, breaker, model};

/// A good call ends just as the breaker begins a new generation: it counts before, or it is stale;
/// never after.
#[test]
fn a_good_call_from_before_a_reset_leaves_no_trace_after_it() {
    model(|| {
        let breaker = breaker(&HandClock::default(), |builder| builder);
        let permit = breaker.try_acquire().expect("it is closed");
        let another = thread::spawn(move || permit.record(Outcome::Success));
        breaker.reset("a new generation");
        another.join().unwrap();
        let snapshot = breaker.snapshot();
        let totals = snapshot.totals.primary;
        assert_eq!(snapshot.policies[0].counts.calls, 0);
        assert_eq!(
            (totals.calls, totals.succeeded + totals.stale, snapshot.in_flight),
            (1, 1, 0)
        );
    });
}

/// A call that asks just as the breaker is forced open, and open again: it is of one generation or
/// the other, and ends in none twice.
#[test]
fn a_call_that_starts_amid_a_reset_belongs_to_one_generation() {
    model(|| {
        let breaker = breaker(&HandClock::default(), |builder| builder);
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || breaker.try_acquire().expect("it is closed").record(Outcome::Success)
        });
        breaker.reset("a new generation");
        another.join().unwrap();
        let snapshot = breaker.snapshot();
        let totals = snapshot.totals.primary;
        assert_eq!(
            (totals.calls, totals.succeeded + totals.stale, snapshot.in_flight),
            (1, 1, 0)
        );
        assert!(snapshot.policies[0].counts.calls <= totals.succeeded);
    });
}

/// A good call that stands still just before it is counted, on a thread that owns its shard, while
/// the breaker is reset.
#[test]
fn a_good_call_that_is_counted_too_late_is_stale() {
    model(|| {
        let breaker = breaker(&HandClock::default(), |builder| builder);
        let call = |breaker: &Breaker| breaker.try_acquire().expect("it is closed").record(Outcome::Success);
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || {
                // The first one is timed; the other is not.
                call(&breaker);
                call(&breaker);
            }
        });
        breaker.reset("a new generation");
        // A step, which takes what came too late for the last one.
        breaker.reset("another");
        another.join().unwrap();
        breaker.reset("a last one");
        let snapshot = breaker.snapshot();
        let totals = snapshot.totals.primary;
        assert_eq!(
            (totals.calls, totals.succeeded + totals.stale, snapshot.in_flight),
            (2, 2, 0)
        );
        assert_eq!(snapshot.policies[0].counts.calls, 0);
    });
}
