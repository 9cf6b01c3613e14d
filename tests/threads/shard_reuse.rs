//! Breakers that come one after the other use the same blocks of shards, and share nothing else.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use tower::{Layer, Service};
use tower_breaker::{
    Breaker, Outcome, Permit, State,
    config::SlowAfter,
    layer::CircuitBreakerLayerBuilder,
    policy::{FailureRate, SlidingWindow},
    snapshot::Totals,
};

use crate::support::*;

/// Builds so many breakers that some reuse memory, and makes one good call to each.
fn used_breakers(builder: impl Fn() -> CircuitBreakerLayerBuilder) -> Vec<Breaker> {
    let build = || {
        let breaker = builder().build().unwrap().breaker().clone();
        breaker.try_acquire().unwrap().record(Outcome::Success);
        breaker
    };
    (0..64).map(|_| build()).collect()
}

fn untimed(clock: &ManualClock) -> impl Fn() -> CircuitBreakerLayerBuilder {
    let clock = clock.clone();
    move || builder().slow_after(SlowAfter::Never).clock(clock.clone())
}

fn untimed_breakers() -> Vec<Breaker> {
    used_breakers(untimed(&ManualClock::default()))
}

fn assert_untouched(breakers: &[Breaker]) {
    for breaker in breakers {
        let snapshot = breaker.snapshot();
        let mut totals = Totals::default();
        totals.primary.calls = 1;
        totals.primary.succeeded = 1;
        totals.primary.timed = snapshot.totals.primary.timed;
        assert_eq!(snapshot.totals, totals);
        assert_eq!((snapshot.in_flight, snapshot.last_error), (0, None));
    }
}

#[test]
fn a_call_that_outlives_its_breaker_is_none_of_the_next_ones() {
    let ends: [fn(Permit); 6] = [
        |permit| permit.record(Outcome::Success),
        |permit| permit.record(Outcome::Failure),
        |permit| permit.record(Outcome::Ignored),
        drop,
        |mut permit| {
            permit.answered();
            permit.record(Outcome::Success);
        },
        |mut permit| {
            permit.note_error(&"too late");
            permit.note_retry_after(ms(1000));
            assert!(format!("{permit:?}").contains("Permit"));
        },
    ];
    for end in ends {
        let late_calls: Vec<_> = untimed_breakers()
            .into_iter()
            .map(|breaker| breaker.try_acquire().unwrap())
            .collect();
        let breakers = untimed_breakers();
        late_calls.into_iter().for_each(end);
        assert_untouched(&breakers);
    }
}

#[test]
fn a_call_to_the_backup_that_outlives_its_breaker_is_none_of_the_next_ones() {
    for behavior in [Behavior::Answers, Behavior::Fails] {
        let mut cx = Context::from_waker(Waker::noop());
        let mut late_calls: Vec<_> = (0..64)
            .map(|_| {
                let clock = ManualClock::default();
                clock.set(ms(1));
                let layer = builder().clock(clock).backup(primary(behavior).0).build().unwrap();
                layer.breaker().force_open("a test", None);
                let mut service = layer.layer(primary(Behavior::Hangs).0);
                // The first one is timed; the second takes the fast path.
                assert!(pin!(service.call(1)).poll(&mut cx).is_ready());
                service.call(2)
            })
            .map(Box::pin)
            .collect();
        let breakers = untimed_breakers();
        for late_call in &mut late_calls {
            assert!(late_call.as_mut().poll(&mut cx).is_ready());
        }
        assert_untouched(&breakers);
    }
}

#[test]
fn a_breaker_knows_nothing_of_the_time_of_those_before_it() {
    let timed = |clock: &ManualClock| {
        let clock = clock.clone();
        move || {
            let window = FailureRate::at_least(1.0).over(SlidingWindow::last(ms(1000)));
            builder()
                .trip_when(window.minimum_calls(1))
                .slow_after(ms(100))
                .clock(clock.clone())
        }
    };
    let (late, early) = (ManualClock::default(), ManualClock::default());
    late.set(ms(3_600_000));
    for before in used_breakers(timed(&late)) {
        before.try_acquire().unwrap().record(Outcome::Success);
    }
    let breakers = used_breakers(timed(&early));
    for breaker in &breakers {
        breaker.try_acquire().unwrap().record(Outcome::Success);
    }
    early.set(ms(1100));
    for breaker in &breakers {
        breaker.try_acquire().unwrap().record(Outcome::Failure);
        assert_eq!(breaker.state(), State::Open);
    }
    early.set(ms(2101));
    for breaker in &breakers {
        assert!(breaker.try_acquire().is_ok(), "a second has passed since it opened");
    }
}

#[test]
fn a_clock_that_jumped_before_it_does_no_harm() {
    let (jumping, steady) = (ManualClock::default(), ManualClock::default());
    for before in used_breakers(untimed(&jumping)) {
        for _ in 0..130 {
            jumping.set(ms(0));
            let permit = before.try_acquire().unwrap();
            jumping.set(Duration::from_nanos(u64::MAX - 1));
            permit.record(Outcome::Success);
        }
    }
    for breaker in used_breakers(untimed(&steady)) {
        for call in 1..=130 {
            let permit = breaker.try_acquire().unwrap();
            steady.set(ms(100 * call));
            permit.record(Outcome::Success);
        }
        let primary = breaker.snapshot().totals.primary;
        assert!(
            primary.timed > 0 && primary.mean_latency() <= Some(ms(100)),
            "{primary:?}"
        );
        steady.set(ms(0));
    }
}
