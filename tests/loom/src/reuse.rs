use std::time::Duration;

use loom::thread;
use tower_breaker::{Breaker, Outcome};

use crate::{HandClock, breaker, model};

fn call(breaker: &Breaker) {
    breaker.try_acquire().expect("it is closed").record(Outcome::Success);
}

/// A call of a breaker that is gone ends just as the next breaker takes a block of shards: it is
/// none of that one's.
fn a_late_end(outcome: Outcome) {
    let clock = HandClock::default();
    let before = breaker(&clock, |builder| builder);
    // The first one is timed, and holds its breaker; the other holds only the block.
    call(&before);
    let permit = before.try_acquire().expect("it is closed");
    let another = thread::spawn(move || permit.record(outcome));
    drop(before);
    let after = breaker(&clock, |builder| builder);
    call(&after);
    another.join().unwrap();
    call(&after);
    let snapshot = after.snapshot();
    let totals = snapshot.totals.primary;
    assert_eq!((totals.calls, totals.succeeded, snapshot.in_flight), (2, 2, 0));
    assert_eq!((totals.failed, totals.stale), (0, 0));
    assert_eq!(snapshot.policies[0].counts.calls, 2);
}

#[test]
fn a_good_call_that_outlives_its_breaker_is_none_of_the_next_ones() {
    model(|| a_late_end(Outcome::Success));
}

#[test]
fn a_failed_call_that_outlives_its_breaker_is_none_of_the_next_ones() {
    model(|| a_late_end(Outcome::Failure));
}

/// The breaker goes while its call ends; the block is the next one's if the call has ended by then,
/// and its counts begin at what they were.
#[test]
fn a_block_that_has_drained_is_taken_with_all_its_counts() {
    model(|| {
        let clock = HandClock::default();
        let before = breaker(&clock, |builder| builder);
        call(&before);
        let another = thread::spawn(move || {
            call(&before);
            drop(before);
        });
        let after = breaker(&clock, |builder| builder);
        another.join().unwrap();
        let last = breaker(&clock, |builder| builder);
        for breaker in [&after, &last] {
            call(breaker);
            let snapshot = breaker.snapshot();
            let totals = snapshot.totals.primary;
            assert_eq!((totals.calls, totals.succeeded, snapshot.in_flight), (1, 1, 0));
            assert!(totals.latency <= Duration::ZERO);
        }
    });
}
