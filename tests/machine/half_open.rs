use std::time::Duration;

use tower_breaker::{
    Outcome, State,
    machine::{Completion, Machine, Settings, Timestamp},
    policy::ConsecutiveFailures,
    recovery::{OpenDuration, Recovery},
};

use crate::support::*;

fn tripped_with(recovery: Recovery) -> Machine {
    let mut settings = settings();
    settings.recovery = recovery;
    let mut machine = machine(settings);
    for _ in 0..3 {
        call(&mut machine, BAD, at(0));
    }
    machine
}

/// How many of so many calls the machine admits at `now`, with none of them coming back.
fn admitted(machine: &mut Machine, calls: u32, now: Timestamp) -> usize {
    (0..calls).filter(|_| machine.admit(now).is_ok()).count()
}

fn share(machine: &Machine, now: u64) -> u8 {
    machine.view(at(now)).share
}

// Rule 9: never more than its share.

#[test]
fn a_trial_admits_one_call() {
    let mut machine = tripped_with(Recovery::gradual());
    assert_eq!(admitted(&mut machine, 100, at(1000)), 1);
}

#[test]
fn permitted_calls_admits_so_many_and_no_more() {
    let mut machine = tripped_with(Recovery::permitted_calls(7));
    assert_eq!(admitted(&mut machine, 100, at(1000)), 7);
}

#[test]
fn a_stage_spreads_its_share_evenly() {
    let mut machine = tripped_with(Recovery::gradual());
    call(&mut machine, GOOD, at(1000));
    let pattern: Vec<bool> = (0..15).map(|_| machine.admit(at(1000)).is_ok()).collect();
    let every_fifth: Vec<bool> = (0..15).map(|call| call % 5 == 0).collect();
    assert_eq!(pattern, every_fifth);
}

#[test]
fn a_stage_of_37_percent_admits_37_of_100() {
    let mut machine = tripped_with(Recovery::gradual().stages([37, 100]));
    call(&mut machine, GOOD, at(1000));
    assert_eq!(admitted(&mut machine, 100, at(1000)), 37);
    for calls in [1, 2, 3, 10, 27] {
        let most = (calls * 37_usize).div_ceil(100);
        assert!(admitted(&mut machine, calls as u32, at(1000)) <= most);
    }
}

#[test]
fn reservations_that_are_given_up_leave_no_credit() {
    let mut machine = tripped_with(Recovery::gradual());
    call(&mut machine, GOOD, at(1000));
    for _ in 0..100 {
        if let Ok(reservation) = machine.reserve(at(1000)) {
            machine.settle(reservation, Completion::Unused, at(1000));
        }
    }
    assert!(admitted(&mut machine, 27, at(1000)) <= 6, "20 % of 27");
}

// The way back.

#[test]
fn access_returns_by_20_40_80_100_percent_then_closes() {
    let mut machine = tripped_with(Recovery::gradual());
    call(&mut machine, GOOD, at(1000));
    let mut shares = vec![share(&machine, 1000)];
    let mut now = 1000;
    while machine.state(at(now)) == State::HalfOpen {
        now += 10;
        if let Ok(ticket) = machine.admit(at(now)) {
            machine.settle(ticket, GOOD, at(now));
        }
        if shares.last() != Some(&share(&machine, now)) {
            shares.push(share(&machine, now));
        }
    }
    // The last 100 is the closed state's: it follows the last stage without a change of share.
    assert_eq!(shares, [20, 40, 80, 100]);
    assert_eq!(machine.state(at(now)), State::Closed);
    assert!(
        (3750..3850).contains(&now),
        "three stages of 250 ms, and one of 2 s: {now}"
    );
}

#[test]
fn rare_traffic_gets_an_answer_at_each_stage() {
    let mut machine = tripped_with(Recovery::gradual());
    for minute in 1..=5 {
        call(&mut machine, GOOD, at(minute * 60_000));
    }
    let _ = machine.admit(at(6 * 60_000));
    assert_eq!(machine.state(at(6 * 60_000)), State::Closed);
}

#[test]
fn a_stage_with_no_good_call_is_not_passed() {
    let mut machine = tripped_with(Recovery::gradual());
    call(&mut machine, GOOD, at(1000));
    for second in 2..60 {
        let _ = machine.admit(at(second * 1000));
    }
    assert_eq!(share(&machine, 60_000), 20);
}

#[test]
fn evidence_halves_the_share_and_reopens_at_the_lowest() {
    let mut machine = tripped_with(Recovery::gradual());
    for now in [1000, 3000, 5000] {
        call(&mut machine, GOOD, at(now));
    }
    let _ = machine.admit(at(7000));
    assert_eq!(share(&machine, 7000), 80);
    let mut shares = Vec::new();
    for _ in 0..200 {
        if let Ok(ticket) = machine.admit(at(7001)) {
            machine.settle(ticket, BAD, at(7001));
            shares.push(share(&machine, 7001));
        }
    }
    shares.dedup();
    assert_eq!(shares, [80, 40, 20, 0]);
    assert_eq!(machine.state(at(7001)), State::Open);
}

#[test]
fn permitted_calls_closes_or_reopens_by_the_rate() {
    let verdict = |bad: usize| {
        let mut machine = tripped_with(Recovery::permitted_calls(10).bad_rate(0.3));
        let tickets: Vec<_> = (0..10).map(|_| machine.admit(at(1000)).unwrap()).collect();
        for (index, ticket) in tickets.into_iter().enumerate() {
            machine.settle(ticket, if index < bad { BAD } else { GOOD }, at(1001));
        }
        machine.state(at(1001))
    };
    assert_eq!([verdict(0), verdict(2)], [State::Closed; 2]);
    assert_eq!([verdict(3), verdict(10)], [State::Open; 2]);
}

#[test]
fn a_verdict_does_not_wait_for_calls_that_cannot_change_it() {
    let mut machine = tripped_with(Recovery::permitted_calls(10));
    let tickets: Vec<_> = (0..10).map(|_| machine.admit(at(1000)).unwrap()).collect();
    for ticket in tickets.into_iter().take(6) {
        machine.settle(ticket, GOOD, at(1001));
    }
    assert_eq!(machine.state(at(1001)), State::Closed);
}

// Rule 10: half-open always ends.

#[tokio::test(start_paused = true)]
async fn a_hung_probe_reopens_when_its_time_is_up() {
    let breaker = builder().build().unwrap().breaker().clone();
    trip_and_cool(&breaker).await;
    let hung = breaker.try_acquire().unwrap();
    tokio::time::advance(ms(1100)).await;
    assert!(breaker.try_acquire().is_err());
    assert_eq!(breaker.state(), State::Open);
    drop(hung);
}

#[tokio::test(start_paused = true)]
async fn a_probe_hung_past_slow_after_reopens_then() {
    let breaker = builder().slow_after(ms(100)).build().unwrap().breaker().clone();
    trip_and_cool(&breaker).await;
    let _hung = breaker.try_acquire().unwrap();
    tokio::time::advance(ms(110)).await;
    assert!(breaker.try_acquire().is_err());
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_lost_probe_reopens_when_its_time_is_up() {
    let breaker = builder().build().unwrap().breaker().clone();
    trip_and_cool(&breaker).await;
    std::mem::forget(breaker.try_acquire().unwrap());
    tokio::time::advance(ms(1100)).await;
    assert!(breaker.try_acquire().is_err());
    tokio::time::advance(ms(1100)).await;
    breaker.try_acquire().expect("the next probe").record(Outcome::Success);
    assert_eq!(breaker.snapshot().share, 20);
}

#[tokio::test(start_paused = true)]
async fn a_lapsed_probe_that_comes_back_late_frees_no_other_probes_slot() {
    let breaker = builder().build().unwrap().breaker().clone();
    trip_and_cool(&breaker).await;
    let late = breaker.try_acquire().unwrap();
    tokio::time::advance(ms(1100)).await;
    assert!(breaker.try_acquire().is_err());
    tokio::time::advance(ms(1100)).await;
    let _probe = breaker.try_acquire().unwrap();
    drop(late);
    assert!(breaker.try_acquire().is_err(), "one probe at a time");
}

#[tokio::test(start_paused = true)]
async fn hung_calls_of_a_stage_reopen_though_no_slow_after_is_set() {
    let breaker = builder().build().unwrap().breaker().clone();
    trip_and_cool(&breaker).await;
    breaker.try_acquire().unwrap().record(Outcome::Success);
    let hung: Vec<_> = (0..20).filter_map(|_| breaker.try_acquire().ok()).collect();
    assert_eq!(hung.len(), 4);
    tokio::time::advance(ms(1100)).await;
    assert!(breaker.try_acquire().is_err());
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_healthy_service_comes_back_though_no_slow_after_is_set() {
    let breaker = builder().build().unwrap().breaker().clone();
    trip(&breaker);
    // Each call takes five seconds, which no probe is given at first.
    for _ in 0..60 {
        tokio::time::advance(ms(1001)).await;
        if let Ok(permit) = breaker.try_acquire() {
            tokio::spawn(async move {
                tokio::time::sleep(ms(5000)).await;
                permit.record(Outcome::Success);
            });
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn calls_that_are_all_ignored_or_cancelled_end_half_open() {
    for completion in [IGNORED, Completion::Cancelled] {
        for recovery in [Recovery::gradual(), Recovery::permitted_calls(3)] {
            let mut machine = tripped_with(recovery);
            let mut calls = 0;
            let mut now = 1000;
            while let Ok(ticket) = machine.admit(at(now)) {
                now += 150;
                calls += 1;
                assert!(calls < 1000, "{completion:?}: no end");
                machine.settle(ticket, completion, at(now));
            }
            assert_eq!((machine.state(at(now)), calls), (State::Open, 10));
        }
    }
}

#[test]
fn half_open_with_no_traffic_ends_with_the_first_that_comes() {
    let mut machine = tripped_with(Recovery::gradual());
    call(&mut machine, GOOD, at(1000));
    let day = 24 * 3600 * 1000;
    for step in 0..4 {
        call(&mut machine, GOOD, at(day + step * 2000));
    }
    let _ = machine.admit(at(day + 9000));
    assert_eq!(machine.state(at(day + 9000)), State::Closed);
}

// Rule 11: an ignored outcome is neither good nor bad, and gives the slot back.

#[test]
fn an_ignored_probe_gives_its_slot_back() {
    let mut machine = tripped_with(Recovery::gradual());
    call(&mut machine, IGNORED, at(1000));
    assert_eq!((machine.state(at(1000)), share(&machine, 1000)), (State::HalfOpen, 0));
    call(&mut machine, GOOD, at(1000));
    assert_eq!(share(&machine, 1000), 20);
}

#[test]
fn ignored_outcomes_do_not_count_while_closed() {
    let mut machine = machine(settings());
    for completion in [BAD, BAD, IGNORED, BAD] {
        call(&mut machine, completion, at(0));
    }
    assert_eq!(
        machine.state(at(0)),
        State::Open,
        "an ignored one breaks no row of bad ones"
    );
    assert_eq!(machine.view(at(0)).last_trip.map(|reason| reason.measured()), Some(3.0));
}

// Open.

#[test]
fn a_growing_open_time_asks_for_refused_calls_before_a_trial() {
    let mut settings = settings();
    settings.open_duration = tower_breaker::recovery::OpenDuration::default();
    let mut machine = machine(settings);
    for _ in 0..3 {
        call(&mut machine, BAD, at(0));
    }
    assert_eq!(admitted(&mut machine, 9, at(3000)), 0, "ten are refused first");
    let soon = machine.refusal(at(3000)).retry_after;
    assert_eq!(soon, Some(ms(100)), "no caller should come back at once");
    assert_eq!(admitted(&mut machine, 1, at(3000)), 0, "the tenth");
    assert_eq!(machine.state(at(3000)), State::ReadyToProbe);
    assert_eq!(admitted(&mut machine, 1, at(3000)), 1);
}

#[test]
fn after_a_minute_a_trial_asks_for_no_refused_calls() {
    let mut settings = settings();
    settings.open_duration = tower_breaker::recovery::OpenDuration::default();
    let mut machine = machine(settings);
    for _ in 0..3 {
        call(&mut machine, BAD, at(0));
    }
    assert_eq!(machine.state(at(59_999)), State::Open);
    assert_eq!(machine.state(at(60_000)), State::ReadyToProbe);
    assert_eq!(admitted(&mut machine, 1, at(60_000)), 1);
}

#[test]
fn open_times_grow_and_are_forgotten_after_ten_closed_seconds() {
    use tower_breaker::{observe::Transition, recovery::OpenDuration};
    let mut settings = settings();
    settings.open_duration = OpenDuration::growing(ms(500), ms(3000))
        .jitter(0.0)
        .refused_before_trial(0);
    let mut machine = machine(settings);
    let mut now = 0;
    let mut open_for = Vec::new();
    let mut fail = |machine: &mut Machine, now: &mut u64| {
        while machine.state(at(*now)) != State::Open {
            call(machine, BAD, at(*now));
        }
        for transition in machine.take_transitions() {
            if let Transition::Opened { open_for: time, .. } = transition {
                open_for.push(time.as_millis());
                *now += u64::try_from(time.as_millis()).unwrap() + 1;
            }
        }
    };
    for _ in 0..6 {
        fail(&mut machine, &mut now);
    }
    for _ in 0..5 {
        call(&mut machine, GOOD, at(now));
        now += 1000;
    }
    let _ = machine.admit(at(now));
    assert_eq!(machine.state(at(now)), State::Closed);
    fail(&mut machine, &mut now);
    for _ in 0..5 {
        call(&mut machine, GOOD, at(now));
        now += 1000;
    }
    let _ = machine.admit(at(now));
    now += 10_000;
    fail(&mut machine, &mut now);
    assert_eq!(open_for, [500, 750, 1125, 1687, 2531, 3000, 3000, 500]);
}

#[test]
fn many_refused_calls_end_the_open_time_early_but_not_at_once() {
    let settings = Settings::default()
        .trip_when(ConsecutiveFailures::of(1))
        .open_duration(OpenDuration::growing(Duration::from_secs(10), Duration::from_secs(10)).jitter(0.0));
    let mut machine = Machine::new(settings, 0).unwrap();
    call(&mut machine, BAD, at(0));
    for _ in 0..200 {
        assert!(machine.admit(at(50)).is_err());
    }
    assert_eq!(machine.state(at(99)), State::Open);
    assert_eq!(machine.state(at(100)), State::ReadyToProbe);
}

#[test]
fn jitter_also_spreads_how_many_refused_calls_are_enough() {
    let enough = |seed| {
        let settings = Settings::default()
            .trip_when(ConsecutiveFailures::of(1))
            .open_duration(OpenDuration::growing(Duration::from_secs(10), Duration::from_secs(10)));
        let mut machine = Machine::new(settings, seed).unwrap();
        call(&mut machine, BAD, at(0));
        (1..).find(|_| machine.admit(at(100)).is_ok()).unwrap()
    };
    let many: Vec<u32> = (0..50).map(enough).collect();
    assert!(many.iter().all(|calls| (101..=201).contains(calls)), "{many:?}");
    assert!(many.iter().max().unwrap() - many.iter().min().unwrap() > 50, "{many:?}");
}
