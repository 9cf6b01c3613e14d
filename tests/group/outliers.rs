use tokio::time::advance;
use tower_breaker::{
    Breaker, CircuitBreakerLayer, Outcome, State,
    group::{Group, GroupBuilder, Outliers},
    policy::ConsecutiveFailures,
};

use crate::common::{breakers::*, durations::*};

/// Breakers whose own policy minds nothing, in a group that looks for outliers.
fn watched(group: GroupBuilder, count: usize) -> Vec<Breaker> {
    let group = group.build().unwrap();
    let member = |index: usize| {
        let layer = CircuitBreakerLayer::builder()
            .name(format!("instance {index}"))
            .trip_when(ConsecutiveFailures::of(1_000_000))
            .group(&group)
            .build()
            .unwrap();
        layer.breaker().clone()
    };
    (0..count).map(member).collect()
}

/// A hundred calls each, so many of which fail; ten seconds later another one.
async fn a_while(breakers: &[Breaker], failures: &[usize]) {
    for (breaker, failures) in breakers.iter().zip(failures) {
        for number in 0..100 {
            let outcome = if number < *failures {
                Outcome::Failure
            } else {
                Outcome::Success
            };
            call(breaker, outcome);
        }
    }
    advance(secs(10)).await;
    call(breakers.last().unwrap(), Outcome::Failure);
}

fn open(breakers: &[Breaker]) -> Vec<usize> {
    let is_open = |index: &usize| breakers[*index].state() == State::Open;
    (0..breakers.len()).filter(is_open).collect()
}

fn outliers() -> GroupBuilder {
    Group::builder().outliers(Outliers::new())
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_more_often_than_the_others_trips_and_says_why() {
    let breakers = watched(outliers(), 6);
    a_while(&breakers, &[1, 0, 20, 2, 1, 0]).await;
    assert_eq!(open(&breakers), [2]);
    let reason = breakers[2].snapshot().last_trip.unwrap();
    assert_eq!(
        reason.to_string(),
        "20.0 % of calls failed (threshold 17.7 %, where the mean of 6 breakers is 4.2 %)"
    );
}

#[tokio::test(start_paused = true)]
async fn where_all_fail_alike_none_is_an_outlier() {
    let breakers = watched(outliers(), 6);
    a_while(&breakers, &[50, 52, 49, 51, 50, 53]).await;
    assert_eq!(open(&breakers), [0_usize; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_few_failures_where_there_are_hardly_any_make_no_outlier() {
    let breakers = watched(outliers(), 6);
    a_while(&breakers, &[0, 0, 4, 0, 0, 0]).await;
    assert_eq!(open(&breakers), [0_usize; 0]);
}

#[tokio::test(start_paused = true)]
async fn too_few_instances_or_calls_are_not_compared() {
    let breakers = watched(outliers(), 4);
    a_while(&breakers, &[0, 0, 90, 0]).await;
    assert_eq!(open(&breakers), [0_usize; 0]);
    let calls = Outliers::new().minimum_calls(102);
    let breakers = watched(Group::builder().outliers(calls), 6);
    a_while(&breakers, &[0, 0, 90, 0, 0, 0]).await;
    assert_eq!(open(&breakers), [0_usize; 0]);
}

#[tokio::test(start_paused = true)]
async fn only_calls_since_the_last_time_are_compared() {
    let breakers = watched(outliers(), 6);
    a_while(&breakers, &[30; 6]).await;
    a_while(&breakers, &[0; 6]).await;
    a_while(&breakers, &[0, 25, 0, 0, 0, 0]).await;
    assert_eq!(open(&breakers), [1]);
}

#[tokio::test(start_paused = true)]
async fn outliers_are_held_back_like_any_trip_on_statistics() {
    let group = Group::builder()
        .max_open_percent(10)
        .outliers(Outliers::new().deviations(0.5));
    let breakers = watched(group, 6);
    a_while(&breakers, &[0, 60, 0, 60, 0, 0]).await;
    assert_eq!(open(&breakers), [1]);
}

#[tokio::test(start_paused = true)]
async fn an_outlier_recovers_by_way_of_a_probe() {
    let breakers = watched(outliers(), 6);
    a_while(&breakers, &[0, 0, 80, 0, 0, 0]).await;
    assert_eq!(open(&breakers), [2]);
    for _ in 0..50 {
        advance(ms(250)).await;
        if let Ok(permit) = breakers[2].try_acquire() {
            permit.record(Outcome::Success);
        }
    }
    assert_eq!(breakers[2].state(), State::Closed);
}

#[test]
fn bad_settings_are_refused() {
    let refused = |outliers: Outliers| Group::builder().outliers(outliers).build().unwrap_err().to_string();
    let new = Outliers::new;
    assert_eq!(
        refused(new().minimum_breakers(2)),
        "outliers.minimum_breakers must be 3 or more, but is 2"
    );
    assert_eq!(
        refused(new().minimum_calls(0)),
        "outliers.minimum_calls must be 1 or more, but is 0"
    );
    assert_eq!(
        refused(new().deviations(f64::NAN)),
        "outliers.deviations must be a number above 0 and up to 10, but is NaN"
    );
    assert_eq!(
        refused(new().minimum_excess(1.1)),
        "outliers.minimum_excess must be 0 to 1, but is 1.1"
    );
    assert!(refused(new().every(ms(0))).starts_with("outliers.every must be a duration"));
}
