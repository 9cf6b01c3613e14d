use tokio::time::sleep;
use tower_breaker::{Outcome, State, group::Group};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn an_instance_that_fails_its_checks_trips_without_calls() {
    let (breaker, checked) = (breaker(), Checked::new(Behavior::Fails));
    let agent = agent().build().unwrap();
    agent.watch(&breaker, checked.clone()).unwrap();
    while checked.begun() < 2 {
        sleep(ms(100)).await;
    }
    assert_eq!(breaker.state(), State::Closed);
    sleep(secs(10)).await;
    assert_eq!(checked.begun(), 3);
    assert_eq!(breaker.state(), State::Open);
    let reason = breaker.snapshot().last_trip.unwrap();
    assert_eq!(reason.to_string(), "3 health checks in a row failed (threshold 3)");
    assert_eq!(
        (reason.name(), reason.measured(), reason.threshold()),
        ("health checks", 3.0, 3.0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_good_check_between_failed_ones_keeps_it_closed() {
    let (breaker, checked) = (breaker(), Checked::new(Behavior::Answers));
    let agent = agent().build().unwrap();
    agent.watch(&breaker, checked.clone()).unwrap();
    for round in 0..30 {
        let good = round % 3 == 0;
        checked.set(if good { Behavior::Answers } else { Behavior::Hangs });
        sleep(secs(10)).await;
    }
    assert_eq!(breaker.state(), State::Closed);
    let instance = agent.instance("instance").unwrap();
    assert!(instance.failed >= 18, "{instance:?}");
}

#[tokio::test(start_paused = true)]
async fn it_need_not_trip_at_all() {
    let (breaker, checked) = (breaker(), Checked::new(Behavior::Fails));
    let agent = agent().trip_after(None).build().unwrap();
    agent.watch(&breaker, checked.clone()).unwrap();
    sleep(secs(200)).await;
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(agent.instance("instance").unwrap().failed_in_a_row, 20);
}

#[tokio::test(start_paused = true)]
async fn good_checks_do_not_make_up_for_bad_calls() {
    let trips_after = async |watched: bool| {
        let (breaker, checked) = (breaker(), Checked::new(Behavior::Answers));
        let agent = agent().every(ms(10)).build().unwrap();
        if watched {
            agent.watch(&breaker, checked.clone()).unwrap();
        }
        let mut calls = 0;
        while let Ok(permit) = breaker.try_acquire() {
            permit.record(Outcome::Failure);
            calls += 1;
            sleep(ms(100)).await;
        }
        assert!(!watched || checked.begun() > 10);
        calls
    };
    assert_eq!(trips_after(true).await, trips_after(false).await);
}

#[tokio::test(start_paused = true)]
async fn what_was_set_by_hand_stays_so() {
    for by_hand in [State::Open, State::Closed] {
        let (breaker, checked) = (breaker(), Checked::new(Behavior::Fails));
        let agent = agent().build().unwrap();
        agent.watch(&breaker, checked.clone()).unwrap();
        if by_hand == State::Open {
            breaker.force_open("an example", None);
            checked.set(Behavior::Answers);
        } else {
            breaker.disable("an example", None);
        }
        sleep(secs(200)).await;
        assert!(checked.begun() >= 19, "the checks go on");
        assert_eq!(breaker.state(), by_hand);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shadow_only_says_that_it_would_have_tripped() {
    let (breaker, checked) = (breaker(), Checked::new(Behavior::Fails));
    breaker.shadow("trying it out", None);
    let mut events = breaker.subscribe();
    let agent = agent().build().unwrap();
    agent.watch(&breaker, checked).unwrap();
    sleep(secs(35)).await;
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(
        events.try_next().unwrap().to_string(),
        "instance: would have tripped: 3 health checks in a row failed (threshold 3)"
    );
}

#[tokio::test(start_paused = true)]
async fn checks_are_not_statistics_so_no_group_holds_them_back() {
    let group = Group::builder().max_open_percent(1).build().unwrap();
    let agent = agent().build().unwrap();
    let layers = ["a", "b", "c"].map(|name| builder(name).group(&group).build().unwrap());
    for layer in &layers {
        agent.watch(layer.breaker(), Checked::new(Behavior::Fails)).unwrap();
    }
    sleep(secs(31)).await;
    assert_eq!(group.open_count(), 3);
}
