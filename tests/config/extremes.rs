use std::time::Duration;

use proptest::{collection, option, prelude::*, sample};
use tower_breaker::{
    Breaker, CircuitBreakerLayer, Config, Outcome, State, policy::ConsecutiveFailures, recovery::Recovery,
};

use crate::{
    arbitrary::{YEAR, config, duration},
    common::clock::ManualClock,
};

#[derive(Clone, Debug)]
enum Step {
    Acquire,
    Record(sample::Index, Outcome),
    Drop(sample::Index),
    Advance(Duration),
    /// The clock jumps, back as well as forth.
    Jump(Duration),
    Manual(fn(&Breaker, Duration), Duration),
    Reconfigure(Box<Config>),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = sample::select(vec![
        Outcome::Success,
        Outcome::Failure,
        Outcome::Failure,
        Outcome::Ignored,
    ]);
    let moment = prop_oneof![
        duration(),
        any::<u64>().prop_map(Duration::from_nanos),
        Just(Duration::MAX)
    ];
    let manual = sample::select(vec![
        (|breaker, ttl| breaker.force_open("a test", ttl)) as fn(&Breaker, Duration),
        |breaker, ttl| breaker.disable("a test", ttl),
        |breaker, ttl| breaker.shadow("a test", ttl),
        |breaker, _| breaker.automatic("a test"),
        |breaker, _| breaker.reset("a test"),
    ]);
    prop_oneof![
        40 => Just(Step::Acquire),
        30 => (any::<sample::Index>(), outcome).prop_map(|(which, outcome)| Step::Record(which, outcome)),
        10 => any::<sample::Index>().prop_map(Step::Drop),
        20 => duration().prop_map(Step::Advance),
        1 => moment.prop_map(Step::Jump),
        1 => (manual, duration()).prop_map(|(manual, ttl)| Step::Manual(manual, ttl)),
        1 => config(u64::MAX).prop_map(|config| Step::Reconfigure(Box::new(config))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_is_accepted_can_be_driven_through_any_time(
        config in config(u64::MAX),
        steps in collection::vec(step(), 300),
    ) {
        let clock = ManualClock::default();
        let layer = CircuitBreakerLayer::builder().config(config).clock(clock.clone()).seed(7).build()?;
        let breaker = layer.breaker();
        let mut permits = Vec::new();
        for step in steps {
            match step {
                Step::Acquire => permits.extend(breaker.try_acquire()),
                Step::Record(which, outcome) if !permits.is_empty() => {
                    permits.swap_remove(which.index(permits.len())).record(outcome);
                }
                Step::Drop(which) if !permits.is_empty() => drop(permits.swap_remove(which.index(permits.len()))),
                Step::Record(..) | Step::Drop(_) => {}
                Step::Advance(by) => clock.advance(by),
                Step::Jump(to) => clock.set(to),
                Step::Manual(change, ttl) => change(breaker, ttl),
                Step::Reconfigure(config) => breaker.reconfigure(*config)?,
            }
            prop_assert_eq!(breaker.snapshot().in_flight, permits.len() as u64);
        }
        drop(permits);
        prop_assert_eq!(breaker.snapshot().in_flight, 0);
        breaker.reset("a test");
        prop_assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn whatever_is_accepted_closes_again_once_the_primary_is_healthy(config in config(u64::MAX)) {
        let clock = ManualClock::default();
        let layer = CircuitBreakerLayer::builder().config(config).clock(clock.clone()).seed(7).build()?;
        let breaker = layer.breaker();
        breaker.force_open("an outage", None);
        breaker.automatic("it is over");
        // As long as a stage takes, and the last one twice; and as many calls as the largest trial
        // takes.
        for _ in 0..102 {
            clock.advance(4 * YEAR);
            breaker.try_acquire()?.record(Outcome::Success);
            if breaker.state() == State::Closed {
                break;
            }
        }
        for _ in 0..1_000_000 {
            if breaker.state() == State::Closed {
                break;
            }
            breaker.try_acquire()?.record(Outcome::Success);
        }
        prop_assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn no_outage_is_too_long(
        config in config(u64::MAX),
        probe_timeout in option::of(duration()),
    ) {
        let recovery = Recovery::gradual();
        let config = config
            .trip_when(ConsecutiveFailures::of(1))
            .recovery(match probe_timeout {
                Some(timeout) => recovery.probe_timeout(timeout),
                None => recovery,
            });
        let clock = ManualClock::default();
        let layer = CircuitBreakerLayer::builder().config(config).clock(clock.clone()).seed(7).build()?;
        let breaker = layer.breaker();
        let mut hanging = Vec::new();
        for round in 0..400 {
            match breaker.try_acquire() {
                Ok(permit) if round % 4 == 0 => {
                    hanging.push(permit);
                    clock.advance(2 * YEAR);
                }
                Ok(permit) => permit.record(Outcome::Failure),
                Err(open) => {
                    let after = open.retry_after().unwrap_or(Duration::MAX);
                    prop_assert!(after <= YEAR, "{after:?}");
                    // As long as it waits for more calls to refuse.
                    clock.advance(after.max(Duration::from_secs(600)));
                }
            }
        }
        prop_assert!(breaker.snapshot().attempt >= 100);
    }
}
