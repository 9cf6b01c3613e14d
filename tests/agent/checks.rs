use tokio::time::sleep;
use tower::service_fn;
use tower_breaker::{
    State,
    agent::{Agent, CheckFailure, WatchError},
};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn an_instance_is_checked_on_a_schedule_and_its_history_kept() {
    let (breaker, checked) = (breaker(), Checked::new(Behavior::Answers));
    let agent = agent().build().unwrap();
    agent.watch(&breaker, checked.clone()).unwrap();
    sleep(secs(1000)).await;
    let instance = agent.instance("instance").unwrap();
    assert_eq!(checked.begun(), 100);
    assert_eq!(
        (instance.checks, instance.failed, instance.failed_in_a_row),
        (100, 0, 0)
    );
    assert_eq!((instance.state, instance.failure_rate()), (State::Closed, 0.0));
    // Of so many, and no more.
    assert_eq!(instance.history.len(), 60);
    let times: Vec<_> = instance
        .history
        .windows(2)
        .map(|two| two[1].at.since(two[0].at))
        .collect();
    assert!(
        times.iter().all(|time| (secs(10)..=ms(10_002)).contains(time)),
        "{times:?}"
    );
    assert_eq!(agent.instances(), [instance]);
}

#[tokio::test(start_paused = true)]
async fn response_times_and_errors_are_measured_apart_from_the_calls() {
    let breaker = breaker();
    let agent = agent().build().unwrap();
    let slow = service_fn(|()| async {
        sleep(ms(70)).await;
        Ok::<_, String>(())
    });
    agent.watch(&breaker, slow).unwrap();
    sleep(secs(100)).await;
    let instance = agent.instance("instance").unwrap();
    assert_eq!(instance.median_latency(), Some(ms(70)));
    assert_eq!(instance.latest().unwrap().latency, ms(70));
    assert_eq!(breaker.snapshot().totals.primary.calls, 0);
    assert_eq!(breaker.snapshot().totals.refused, 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_wrong_is_kept_with_each_check() {
    let checked = Checked::new(Behavior::Fails);
    let agent = agent().trip_after(None).build().unwrap();
    agent.watch(&breaker(), checked.clone()).unwrap();
    let mut failures = Vec::new();
    for behavior in [
        Behavior::Fails,
        Behavior::Hangs,
        Behavior::NeverReady,
        Behavior::PanicsInReadiness,
        Behavior::PanicsInCall,
        Behavior::PanicsInFuture,
        Behavior::Answers,
    ] {
        checked.set(behavior);
        sleep(secs(10)).await;
        let instance = agent.instance("instance").unwrap();
        failures.push(instance.latest().unwrap().failure.clone());
    }
    let error = CheckFailure::Error("the disk\nis full".into());
    let (timed_out, panicked) = (Some(CheckFailure::TimedOut), Some(CheckFailure::Panicked));
    assert_eq!(
        failures,
        [
            Some(error.clone()),
            timed_out.clone(),
            timed_out,
            panicked.clone(),
            panicked.clone(),
            panicked,
            None
        ]
    );
    assert_eq!(error.to_string(), r"the disk\nis full");
    let instance = agent.instance("instance").unwrap();
    assert_eq!((instance.checks, instance.failed, instance.failed_in_a_row), (7, 6, 0));
}

#[tokio::test(start_paused = true)]
async fn a_long_error_is_kept_in_its_beginning() {
    let agent = agent().build().unwrap();
    let fails = service_fn(|()| async { Err::<(), _>("ü".repeat(10_000)) });
    agent.watch(&breaker(), fails).unwrap();
    sleep(secs(10)).await;
    let instance = agent.instance("instance").unwrap();
    let Some(CheckFailure::Error(error)) = &instance.latest().unwrap().failure else {
        panic!("{instance:?}");
    };
    assert_eq!(**error, *"ü".repeat(100));
}

#[tokio::test(start_paused = true)]
async fn checks_never_pile_up_on_an_instance_that_hangs() {
    let checked = Checked::new(Behavior::Hangs);
    // A time limit longer than the interval.
    let agent = agent().timeout(secs(25)).trip_after(None).build().unwrap();
    agent.watch(&breaker(), checked.clone()).unwrap();
    sleep(secs(1000)).await;
    assert!((38..=40).contains(&checked.begun()), "{}", checked.begun());
    assert_eq!(checked.most_in_flight(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_stops_when_it_is_dropped_in_the_middle_of_a_check() {
    let checked = Checked::new(Behavior::Hangs);
    let agent = agent().build().unwrap();
    agent.watch(&breaker(), checked.clone()).unwrap();
    while checked.in_flight() == 0 {
        sleep(ms(100)).await;
    }
    drop(agent);
    sleep(ms(1)).await;
    assert_eq!(checked.in_flight(), 0);
    sleep(secs(100)).await;
    assert_eq!(checked.begun(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_checked_no_more_and_may_be_watched_again() {
    let checked = Checked::new(Behavior::Answers);
    let agent = agent().build().unwrap();
    agent.watch(&breaker(), checked.clone()).unwrap();
    let taken = agent.watch(&breaker(), checked.clone()).unwrap_err();
    assert_eq!(taken.to_string(), "an instance \"instance\" is watched already");
    assert!(agent.forget("instance"));
    assert!(!agent.forget("instance"));
    sleep(secs(100)).await;
    assert_eq!(checked.begun(), 0);
    assert!(agent.instances().is_empty() && agent.instance("instance").is_none());
    agent.watch(&breaker(), checked.clone()).unwrap();
    sleep(secs(100)).await;
    assert_eq!(checked.begun(), 10);
}

#[test]
fn outside_of_a_runtime_it_says_so() {
    let agent = Agent::builder().build().unwrap();
    let error = agent.watch(&breaker(), Checked::new(Behavior::Answers)).unwrap_err();
    assert_eq!(error, WatchError::NoRuntime);
    assert_eq!(
        error.to_string(),
        "`Agent::watch` must be called within a tokio runtime"
    );
}

#[test]
fn bad_settings_are_refused() {
    let refused = |agent: tower_breaker::agent::AgentBuilder| agent.build().unwrap_err().to_string();
    let any = "must be a duration above 0 and up to 365 days, but is";
    assert_eq!(refused(agent().every(secs(0))), format!("every {any} 0ns"));
    assert_eq!(refused(agent().timeout(secs(0))), format!("timeout {any} 0ns"));
    assert_eq!(
        refused(agent().every(secs(u64::MAX))),
        format!("every {any} 18446744073709551615s")
    );
    assert_eq!(refused(agent().jitter(f64::NAN)), "jitter must be 0 to 1, but is NaN");
    assert_eq!(
        refused(agent().trip_after(0)),
        "trip_after must be 1 or more, or none, but is 0"
    );
}
