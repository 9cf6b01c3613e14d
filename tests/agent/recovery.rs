use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use futures::StreamExt;
use tokio::time::{sleep, timeout};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_breaker::{Breaker, State, observe::Transition, recovery::Recovery};

use crate::support::*;

/// Calls all the time, until the breaker is closed; how many calls reached the instance before a
/// check had passed.
async fn calls_before_a_check_passed(breaker: &Breaker, checked: &Checked, healthy_after: u32) -> u32 {
    let mut before = 0;
    let mut passed = false;
    let mut events = breaker.subscribe();
    for round in 0..20_000 {
        if round == healthy_after {
            checked.set(Behavior::Answers);
        }
        while let Some(event) = events.try_next() {
            passed |= matches!(event.transition, Transition::ShareChanged { from: 0, .. });
        }
        if let Ok(permit) = breaker.try_acquire() {
            before += u32::from(!passed);
            let good = round >= healthy_after;
            permit.record(if good {
                tower_breaker::Outcome::Success
            } else {
                tower_breaker::Outcome::Failure
            });
        }
        if passed && breaker.state() == State::Closed {
            return before;
        }
        sleep(ms(10)).await;
    }
    panic!("it hasn't closed: {breaker:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_calls_to_a_sick_instance_are_the_agents() {
    let (breaker, checked) = (breaker(), Checked::new(Behavior::Fails));
    let agent = agent().build().unwrap();
    agent.watch(&breaker, checked.clone()).unwrap();
    for _ in 0..3 {
        breaker.try_acquire().unwrap().record(tower_breaker::Outcome::Failure);
    }
    assert_eq!(calls_before_a_check_passed(&breaker, &checked, 3000).await, 0);
    let trials = agent.instance("instance").unwrap().history;
    let trials = trials.iter().filter(|check| check.was_trial).count();
    // Every two seconds, for thirty, whatever the interval of the checks is.
    assert!((13..=16).contains(&trials), "{trials}");
}

#[tokio::test(start_paused = true)]
async fn without_the_gate_a_call_may_be_the_first() {
    let (breaker, checked) = (breaker(), Checked::new(Behavior::Fails));
    let agent = agent().every(secs(3600)).gate_recovery(false).build().unwrap();
    agent.watch(&breaker, checked.clone()).unwrap();
    for _ in 0..3 {
        breaker.try_acquire().unwrap().record(tower_breaker::Outcome::Failure);
    }
    assert!(calls_before_a_check_passed(&breaker, &checked, 3000).await > 0);
}

#[tokio::test(start_paused = true)]
async fn an_idle_instance_comes_back_by_its_checks() {
    for gate in [true, false] {
        let (breaker, checked) = (breaker(), Checked::new(Behavior::Answers));
        let agent = agent().gate_recovery(gate).build().unwrap();
        agent.watch(&breaker, checked.clone()).unwrap();
        breaker.trip(tower_breaker::policy::TripReason::custom("disk", 99.0, 95.0));
        // There are no calls, so the first check may be a whole interval away.
        sleep(secs(13)).await;
        assert_eq!(breaker.snapshot().share, 20, "{breaker:?}");
        // The first call that comes is let through.
        assert!(breaker.try_acquire().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_trial_of_several_calls_is_all_the_agents() {
    let recovery = Recovery::permitted_calls(5);
    let breaker = builder("instance")
        .recovery(recovery)
        .build()
        .unwrap()
        .breaker()
        .clone();
    let checked = Checked::new(Behavior::Answers);
    let agent = agent().build().unwrap();
    agent.watch(&breaker, checked.clone()).unwrap();
    breaker.trip(tower_breaker::policy::TripReason::custom("disk", 99.0, 95.0));
    let mut refused = 0;
    while breaker.try_acquire().is_err() {
        refused += 1;
        sleep(ms(10)).await;
    }
    assert_eq!(breaker.state(), State::Closed);
    assert!(refused > 200);
    let instance = agent.instance("instance").unwrap();
    // After three good ones of five, the other two can't change the verdict.
    assert_eq!(instance.history.iter().filter(|check| check.was_trial).count(), 3);
    assert_eq!(breaker.snapshot().totals.primary.succeeded, 3);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_gone_leaves_the_trials_to_the_calls() {
    let (breaker, checked) = (breaker(), Checked::new(Behavior::Hangs));
    let agent = agent().timeout(secs(30)).build().unwrap();
    agent.watch(&breaker, checked.clone()).unwrap();
    breaker.trip(tower_breaker::policy::TripReason::custom("disk", 99.0, 95.0));
    while checked.in_flight() == 0 {
        sleep(ms(10)).await;
    }
    sleep(ms(1)).await;
    assert_eq!(breaker.state(), State::HalfOpen, "a check is the trial's only call");
    assert!(breaker.try_acquire().is_err());
    drop(agent);
    sleep(ms(1)).await;
    // Its place is free again, and a call may have it.
    assert!(breaker.try_acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_holds_up_no_trial_for_longer_than_its_time_limit() {
    let (breaker, checked) = (breaker(), Checked::new(Behavior::Hangs));
    let agent = agent().build().unwrap();
    agent.watch(&breaker, checked.clone()).unwrap();
    breaker.trip(tower_breaker::policy::TripReason::custom("disk", 99.0, 95.0));
    sleep(secs(60)).await;
    let events: Vec<_> = {
        let mut events = breaker.subscribe();
        sleep(secs(30)).await;
        std::iter::from_fn(|| events.try_next()).collect()
    };
    let reopened = |event: &&tower_breaker::Event| matches!(event.transition, Transition::Opened { .. });
    // Two seconds open, and one for the check.
    assert!((9..=10).contains(&events.iter().filter(reopened).count()), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn in_a_balancer_too_the_first_call_is_the_agents() {
    let is_sick = Arc::new(AtomicBool::new(true));
    let calls = Arc::new(AtomicU32::new(0));
    let layer = builder("instance").wait().build().unwrap();
    let (sick, counted) = (is_sick.clone(), calls.clone());
    let mut service = layer.layer(service_fn(move |()| {
        counted.fetch_add(1, Ordering::SeqCst);
        let result = if sick.load(Ordering::SeqCst) {
            Err(BoxError::from("sick"))
        } else {
            Ok(())
        };
        async { result }
    }));
    let checked = Checked::new(Behavior::Fails);
    let agent = agent().build().unwrap();
    agent.watch(layer.breaker(), checked.clone()).unwrap();
    layer
        .breaker()
        .trip(tower_breaker::policy::TripReason::custom("disk", 99.0, 95.0));
    assert!(timeout(secs(60), service.ready()).await.is_err());
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    checked.set(Behavior::Answers);
    is_sick.store(false, Ordering::SeqCst);
    timeout(secs(10), service.ready())
        .await
        .unwrap()
        .unwrap()
        .call(())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_agents_keep_the_trials_until_both_are_gone() {
    let breaker = breaker();
    let agents = [agent(), agent()].map(|agent| agent.every(secs(3600)).build().unwrap());
    for agent in &agents {
        agent.watch(&breaker, Checked::new(Behavior::Answers)).unwrap();
    }
    breaker.trip(tower_breaker::policy::TripReason::custom("disk", 99.0, 95.0));
    sleep(secs(3)).await;
    assert_eq!(breaker.state(), State::ReadyToProbe);
    let [first, second] = agents;
    drop(first);
    assert!(breaker.try_acquire().is_err());
    drop(second);
    assert!(breaker.try_acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_recovery_without_callers() {
    let (breaker, checked) = (breaker(), Checked::new(Behavior::Fails));
    let mut events = breaker.subscribe();
    let agent = agent().build().unwrap();
    agent.watch(&breaker, checked.clone()).unwrap();
    let mut lines = Vec::new();
    for number in 0..5 {
        if number == 3 {
            checked.set(Behavior::Answers);
        }
        let event = timeout(secs(60), events.next()).await.unwrap().unwrap();
        lines.push(event.to_string());
    }
    assert_eq!(
        lines,
        [
            "instance: closed → open for 2.0 s: 3 health checks in a row failed (threshold 3)",
            "instance: open → half-open: the open time is up, probing",
            "instance: half-open → open for 2.0 s: 1 of 1 trial calls bad (threshold 1)",
            "instance: open → half-open: the open time is up, probing",
            "instance: half-open: 0 % → 20 % of calls to the primary",
        ]
    );
}
