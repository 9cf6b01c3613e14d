use std::time::Duration;

use loom::thread;
use tower_breaker::{Breaker, Outcome, State, policy::ConsecutiveFailures};

use crate::{HandClock, breaker, model, model_with};

fn open(clock: &HandClock) -> Breaker {
    let breaker = breaker(clock, |builder| {
        builder
            .trip_when(ConsecutiveFailures::of(1))
            .open_duration(Duration::from_secs(1))
    });
    breaker.try_acquire().expect("it is closed").record(Outcome::Failure);
    breaker
}

/// Refused on the fast path, on two threads, while one of them takes what has been counted.
#[test]
fn no_refused_call_is_lost_while_another_thread_reads() {
    model(|| {
        let breaker = open(&HandClock::default());
        assert!(breaker.try_acquire().is_err());
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || {
                assert!(breaker.try_acquire().is_err());
                drop(breaker.snapshot());
            }
        });
        let refused = breaker.try_acquire().expect_err("it is open");
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
        another.join().unwrap();
        assert_eq!(breaker.snapshot().totals.refused, 3);
    });
}

/// A call that asks just as an open breaker is reset goes one way or the other, and is counted
/// there.
#[test]
fn a_call_that_asks_amid_a_reset_is_refused_or_let_through() {
    model(|| {
        let breaker = open(&HandClock::default());
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || {
                breaker
                    .try_acquire()
                    .map(|permit| permit.record(Outcome::Success))
                    .is_ok()
            }
        });
        breaker.reset("well again");
        let passed = another.join().unwrap();
        let snapshot = breaker.snapshot();
        let (refused, calls) = (snapshot.totals.refused, snapshot.totals.primary.calls);
        assert_eq!((refused, calls), if passed { (0, 2) } else { (1, 1) });
        assert_eq!((snapshot.state, snapshot.in_flight), (State::Closed, 0));
    });
}

/// The breaker opens again, for longer, while another thread asks: a refused caller gets the
/// new time.
#[test]
fn a_refused_call_gets_the_time_of_its_own_trip() {
    model(|| {
        let breaker = breaker(&HandClock::default(), |builder| builder);
        breaker.force_open("a trial", Duration::from_secs(1));
        breaker.reset("well again");
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || {
                let refused = breaker.try_acquire().map(|permit| permit.record(Outcome::Success));
                if let Err(refused) = refused {
                    assert_eq!(refused.retry_after(), Some(Duration::from_secs(2)));
                }
            }
        });
        breaker.force_open("another", Duration::from_secs(2));
        another.join().unwrap();
    });
}

/// The third thread shares the first one's shard, which counts their calls apart.
#[test]
fn no_call_is_lost_where_two_threads_share_a_shard() {
    model_with(2, || {
        let breaker = breaker(&HandClock::default(), |builder| builder);
        let call = |breaker: &Breaker| breaker.try_acquire().expect("it is closed").record(Outcome::Success);
        call(&breaker);
        let others: Vec<_> = (0..2)
            .map(|_| {
                let breaker = breaker.clone();
                thread::spawn(move || call(&breaker))
            })
            .collect();
        call(&breaker);
        for other in others {
            other.join().unwrap();
        }
        let snapshot = breaker.snapshot();
        let totals = snapshot.totals.primary;
        assert_eq!((totals.calls, totals.succeeded, snapshot.in_flight), (4, 4, 0));
    });
}
