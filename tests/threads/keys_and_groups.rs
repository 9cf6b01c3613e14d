//! Keys that come and go, and groups that trip, on many threads in real time, so that their steps
//! overlap.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use tower::{BoxError, Layer, Service, service_fn};
use tower_breaker::{CircuitBreakerLayer, group::Group};

use crate::support::*;

#[test]
fn no_call_is_lost_and_the_cap_holds_while_keys_come_and_go() {
    let clock = ManualClock::default();
    let layer = CircuitBreakerLayer::keyed(|request: &u64| *request)
        .max_keys(50)
        .idle_after(secs(1))
        .clock(clock.clone())
        .build()
        .unwrap();
    let is_over = AtomicBool::new(false);
    let evicted = AtomicU64::new(0);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let mut service = layer.layer(service_fn(|key: u64| async move { Ok::<_, BoxError>(key) }));
                scope.spawn(move || {
                    for number in 0..20_000_u64 {
                        // A few keys are used all the time, and the others come and go.
                        let key = if number % 2 == 0 {
                            number % 10
                        } else {
                            caller * 1_000_000 + number / 100
                        };
                        let answer = futures::executor::block_on(service.call(key));
                        assert_eq!(answer.unwrap(), key);
                    }
                })
            })
            .collect();
        let (layer, clock, is_over, evicted) = (&layer, &clock, &is_over, &evicted);
        scope.spawn(move || {
            while !is_over.load(Ordering::SeqCst) {
                clock.advance(ms(100));
                evicted.fetch_add(layer.breakers().evict_idle() as u64, Ordering::SeqCst);
                assert!(layer.breakers().len() <= 50);
            }
        });
        for caller in callers {
            caller.join().unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
    });
    for (_, breaker) in layer.breakers().all() {
        assert_eq!(breaker.snapshot().in_flight, 0);
    }
    assert!(evicted.load(Ordering::SeqCst) > 0);
}

#[test]
fn a_group_never_has_more_open_than_may_be_however_many_threads_trip_at_once() {
    for _ in 0..200 {
        let (group, breakers) = members(Group::builder().max_open_percent(30), 10);
        let open = thread::scope(|scope| {
            let tripping: Vec<_> = breakers.iter().map(|breaker| scope.spawn(|| trips(breaker))).collect();
            let tripped = tripping.into_iter().map(|one| one.join().unwrap());
            tripped.filter(|tripped| *tripped).count()
        });
        assert_eq!((open, group.open_count()), (3, 3));
    }
}
