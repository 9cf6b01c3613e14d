use loom::thread;
use tower_breaker::Outcome;

use crate::{HandClock, breaker, model, model_with};

/// A call starts and ends while another thread reads: its end is never seen without its start.
#[test]
fn no_end_is_seen_without_its_start() {
    model(|| {
        let breaker = breaker(&HandClock::default(), |builder| builder);
        breaker.try_acquire().expect("it is closed").record(Outcome::Success);
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || {
                for _ in 0..2 {
                    breaker.try_acquire().expect("it is closed").record(Outcome::Success);
                }
            }
        });
        let snapshot = breaker.snapshot();
        let totals = snapshot.totals.primary;
        assert!(snapshot.in_flight <= 1 && totals.calls == totals.succeeded + snapshot.in_flight);
        another.join().unwrap();
        assert_eq!(breaker.snapshot().in_flight, 0);
    });
}

/// The same for a call that starts in the first shard and ends in the last.
#[test]
fn no_end_in_another_shard_is_seen_without_its_start() {
    model_with(2, || {
        let breaker = breaker(&HandClock::default(), |builder| builder);
        let call = {
            let breaker = breaker.clone();
            move || breaker.try_acquire().expect("it is closed").record(Outcome::Success)
        };
        // The threads get their numbers in this order; of two shards, those with an even one share
        // the first.
        call();
        thread::spawn(call).join().unwrap();
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || {
                let permit = breaker.try_acquire().expect("it is closed");
                thread::spawn(move || permit.record(Outcome::Success)).join().unwrap();
            }
        });
        let snapshot = breaker.snapshot();
        let totals = snapshot.totals.primary;
        assert!(snapshot.in_flight <= 1 && totals.calls == totals.succeeded + snapshot.in_flight);
        another.join().unwrap();
        assert_eq!(breaker.snapshot().in_flight, 0);
    });
}
