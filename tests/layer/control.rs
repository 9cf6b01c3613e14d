use tokio::time::advance;
use tower_breaker::{
    Config, Outcome, State,
    policy::{Counts, FailureRate, SlidingWindow},
    recovery::{OpenDuration, Recovery},
    snapshot::{CallTotals, Mode},
};

use crate::support::*;

// Rule 14: reading changes nothing.

#[tokio::test(start_paused = true)]
async fn looking_at_a_breaker_whose_time_is_up_leaves_the_probe_to_a_call() {
    let breaker = builder().build().unwrap().breaker().clone();
    let mut events = breaker.subscribe();
    trip_and_cool(&breaker).await;
    while events.try_next().is_some() {}
    for _ in 0..100 {
        assert_eq!(breaker.state(), State::ReadyToProbe);
        assert_eq!(breaker.snapshot(), breaker.snapshot());
        let _ = format!("{breaker:?}");
    }
    assert!(events.try_next().is_none());
    breaker.try_acquire().expect("the probe").record(Outcome::Success);
}

#[tokio::test(start_paused = true)]
async fn a_mode_whose_time_is_up_reads_as_automatic_before_any_call() {
    let breaker = builder().build().unwrap().breaker().clone();
    breaker.disable("a test", ms(100));
    assert_eq!(breaker.snapshot().mode, Mode::Disabled);
    advance(ms(100)).await;
    assert_eq!(breaker.snapshot().mode, Mode::Automatic);
    breaker.force_open("a test", ms(100));
    assert_eq!(breaker.state(), State::Open);
    advance(ms(100)).await;
    assert_eq!(breaker.state(), State::ReadyToProbe);
}

// Rule 16: reset, and manual control.

#[tokio::test(start_paused = true)]
async fn reset_clears_everything_from_any_state() {
    let breaker = builder().build().unwrap().breaker().clone();
    let put_into: [&dyn Fn(); 6] = [
        &|| {},
        &|| trip(&breaker),
        &|| drop(breaker.try_acquire()),
        &|| breaker.force_open("a test", None),
        &|| breaker.disable("a test", ms(500)),
        &|| breaker.shadow("a test", None),
    ];
    for put in put_into {
        breaker.try_acquire().unwrap().record(Outcome::Success);
        put();
        breaker.reset("a test");
        let view = breaker.snapshot();
        assert_eq!((view.state, view.share, view.attempt), (State::Closed, 100, 0));
        assert_eq!((view.mode, view.last_trip), (Mode::Automatic, None));
        assert_eq!(view.policies[0].counts, Counts::default());
    }
    trip_and_cool(&breaker).await;
    let probe = breaker.try_acquire().unwrap();
    assert_eq!(breaker.state(), State::HalfOpen);
    breaker.reset("a test");
    probe.record(Outcome::Failure);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn reset_forgets_how_often_the_breaker_has_opened() {
    let mut settings = settings();
    settings.open_duration = OpenDuration::growing(ms(500), ms(3000)).refused_before_trial(0);
    let mut machine = machine(settings);
    for now in [0, 4000, 8000] {
        while machine
            .admit(at(now))
            .map(|ticket| machine.settle(ticket, BAD, at(now)))
            .is_ok()
        {}
    }
    assert_eq!(machine.view(at(8000)).attempt, 2);
    machine.reset("a test".into(), at(8000));
    for _ in 0..3 {
        call(&mut machine, BAD, at(8000));
    }
    assert_eq!(
        (machine.state(at(8000)), machine.view(at(8000)).attempt),
        (State::Open, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn forced_open_refuses_all_until_its_time_is_up_and_returns_by_a_probe() {
    let breaker = builder().build().unwrap().breaker().clone();
    breaker.force_open("maintenance", ms(60_000));
    let open = breaker.try_acquire().unwrap_err();
    assert_eq!(open.retry_after(), Some(ms(60_000)));
    advance(ms(59_999)).await;
    assert!(breaker.try_acquire().is_err());
    advance(ms(1)).await;
    breaker.try_acquire().expect("the probe").record(Outcome::Success);
    assert_eq!(breaker.snapshot().share, 20);
}

#[tokio::test(start_paused = true)]
async fn forced_open_for_good_gives_no_time_to_come_back() {
    let breaker = builder().build().unwrap().breaker().clone();
    breaker.force_open("maintenance", None);
    advance(ms(1_000_000)).await;
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after(), None);
    breaker.automatic("done");
    assert_eq!(breaker.state(), State::ReadyToProbe);
}

#[test]
fn disabled_admits_all_and_records_nothing() {
    let breaker = builder().build().unwrap().breaker().clone();
    trip(&breaker);
    breaker.disable("the breaker is wrong", None);
    let before = breaker.snapshot().totals;
    for _ in 0..100 {
        breaker.try_acquire().unwrap().record(Outcome::Failure);
    }
    assert_eq!(breaker.snapshot().totals.primary, before.primary);
    breaker.automatic("done");
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn disabled_does_not_record_calls_that_hang_either() {
    let breaker = builder().slow_after(ms(100)).build().unwrap().breaker().clone();
    breaker.disable("the breaker is wrong", None);
    let _hung: Vec<_> = (0..5).map(|_| breaker.try_acquire().unwrap()).collect();
    advance(ms(1000)).await;
    breaker.try_acquire().unwrap().record(Outcome::Success);
    assert_eq!(breaker.snapshot().totals.primary, CallTotals::default());
}

#[tokio::test(start_paused = true)]
async fn shadow_never_diverts_and_says_when_it_would_have() {
    let breaker = builder().build().unwrap().breaker().clone();
    breaker.shadow("trying it out", None);
    let mut events = breaker.subscribe();
    for _ in 0..100 {
        breaker.try_acquire().expect("never diverted").record(Outcome::Failure);
        advance(ms(150)).await;
    }
    let said = std::iter::from_fn(|| events.try_next()).count();
    assert_eq!(said, 2, "once in ten seconds of outage");
    assert_eq!(breaker.snapshot().last_trip.unwrap().name(), "consecutive failures");
}

// Reconfiguring.

#[tokio::test(start_paused = true)]
async fn reconfiguring_keeps_state_and_counts() {
    let rate = |window| {
        FailureRate::at_least(0.9)
            .over(SlidingWindow::last_calls(window))
            .minimum_calls(5)
    };
    let breaker = builder().trip_when(rate(10)).build().unwrap().breaker().clone();
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Failure, Outcome::Failure] {
        breaker.try_acquire().unwrap().record(outcome);
    }
    let generation = breaker.snapshot().generation;
    breaker.reconfigure(breaker.config().trip_when(rate(20))).unwrap();
    let view = breaker.snapshot();
    assert_eq!((view.policies[0].counts.calls, view.policies[0].counts.failed), (4, 3));
    assert_eq!(view.generation, generation);
    breaker
        .reconfigure(breaker.config().trip_when(FailureRate::at_least(0.7).minimum_calls(5)))
        .unwrap();
    breaker.try_acquire().unwrap().record(Outcome::Failure);
    assert_eq!(breaker.state(), State::Open);
    breaker.reconfigure(Config::new("another name")).unwrap();
    assert_eq!((breaker.state(), breaker.name()), (State::Open, "breaker"));
}

#[tokio::test(start_paused = true)]
async fn another_recovery_in_half_open_starts_with_its_own_trial() {
    let breaker = builder().build().unwrap().breaker().clone();
    trip_and_cool(&breaker).await;
    let old_probe = breaker.try_acquire().unwrap();
    breaker
        .reconfigure(breaker.config().recovery(Recovery::permitted_calls(2)))
        .unwrap();
    let new: Vec<_> = (0..5).filter_map(|_| breaker.try_acquire().ok()).collect();
    assert_eq!(new.len(), 2);
    drop(old_probe);
    assert!(
        breaker.try_acquire().is_err(),
        "the old probe frees no slot of the new trial"
    );
}
