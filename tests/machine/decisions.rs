use tower_breaker::{
    Evidence, Outcome, State,
    machine::Machine,
    policy::{ConsecutiveFailures, Counts, FailureRate, Policy, SlidingWindow, SlowCallRate, TripPolicy, TripReason},
};

use crate::support::*;

fn under(policy: impl Into<Policy>) -> Machine {
    machine(settings().trip_when(policy).slow_after(ms(100)))
}

/// Calls that take no time, so many a second for so long, with this rate of failures. The
/// milliseconds to the trip.
fn time_to_trip(machine: &mut Machine, per_second: u64, seconds: u64, failure_rate: f64, seed: u64) -> Option<u64> {
    for (index, chance) in (0..per_second * seconds).zip(chances(seed)) {
        let now = tower_breaker::clock::Timestamp::from_nanos(index * (1_000_000_000 / per_second));
        call(machine, if chance < failure_rate { BAD } else { GOOD }, now);
        if machine.state(now) == State::Open {
            return Some(now.as_nanos() / 1_000_000);
        }
    }
    None
}

// The default policy.

#[test]
fn forty_percent_failures_never_trip_the_default() {
    assert_eq!(time_to_trip(&mut under(Evidence::default()), 100, 1000, 0.40, 2), None);
}

#[test]
fn fifty_five_percent_failures_at_20_000_a_second_trip_within_a_second() {
    let tripped = time_to_trip(&mut under(Evidence::default()), 20_000, 2, 0.55, 2);
    assert!(tripped.is_some_and(|after| after <= 1000), "{tripped:?}");
}

#[test]
fn a_long_healthy_history_does_not_hide_an_outage() {
    let mut machine = under(Evidence::default());
    for index in 0..50_000 {
        call(&mut machine, GOOD, at(index * 10));
    }
    let outage = 50_000 * 10;
    let mut past_sustain = 0;
    for index in 0..1000 {
        let now = outage + index * 10;
        call(&mut machine, BAD, at(now));
        past_sustain += u32::from(now >= outage + 500);
        if machine.state(at(now)) == State::Open {
            break;
        }
    }
    assert_eq!(machine.state(at(outage + 1000)), State::Open);
    assert!(past_sustain <= 10, "{past_sustain}");
}

#[test]
fn a_blip_half_as_long_as_the_sustain_time_does_not_trip() {
    let mut machine = under(Evidence::default());
    for now in 0..240 {
        call(&mut machine, BAD, at(now));
    }
    for now in 240..2000 {
        call(&mut machine, GOOD, at(now));
    }
    assert_eq!(machine.state(at(2000)), State::Closed);
}

#[test]
fn seven_bad_calls_are_not_enough_and_eight_are_once_they_have_lasted() {
    let mut machine = under(Evidence::default());
    for now in 0..7 {
        call(&mut machine, BAD, at(now * 100));
    }
    assert_eq!(machine.state(at(600)), State::Closed);
    call(&mut machine, BAD, at(700));
    assert_eq!(machine.state(at(700)), State::Closed, "3·√8 is above 8");
    call(&mut machine, BAD, at(800));
    assert_eq!(
        machine.state(at(800)),
        State::Closed,
        "three quarters of it have lasted since 500"
    );
    machine.evaluate(at(999));
    assert_eq!(machine.state(at(999)), State::Closed);
    machine.evaluate(at(1000));
    assert_eq!(machine.state(at(1000)), State::Open);
    let reason = machine.view(at(1000)).last_trip.unwrap();
    assert_eq!(
        (reason.name(), reason.measured(), reason.threshold()),
        ("evidence", 9.0, 9.0)
    );
}

/// A machine of which so many calls hang from 0 on, each overdue a tenth of a second later, and the
/// time of its last good answer.
fn hanging(calls: u64, last_good: u64) -> Machine {
    let mut machine = under(Evidence::default());
    call(&mut machine, GOOD, at(last_good));
    for _ in 0..calls {
        machine.overdue(at(last_good + 100), at(last_good + 100));
    }
    machine
}

#[test]
fn a_silence_is_no_outage_before_it_has_lasted_a_second() {
    let mut machine = hanging(20, 1000);
    machine.evaluate(at(1999));
    assert_eq!(machine.state(at(1999)), State::Closed);
    machine.evaluate(at(2000));
    assert_eq!(machine.state(at(2000)), State::Open);
}

#[test]
fn the_first_good_answer_after_a_silence_begins_the_half_second_anew() {
    let mut machine = hanging(40, 1000);
    call(&mut machine, GOOD, at(1900));
    machine.evaluate(at(2399));
    assert_eq!(machine.state(at(2399)), State::Closed);
    machine.evaluate(at(2400));
    assert_eq!(machine.state(at(2400)), State::Open);
}

#[test]
fn an_error_breaks_the_silence() {
    let mut machine = hanging(20, 1000);
    call(&mut machine, BAD, at(1200));
    machine.evaluate(at(1599));
    assert_eq!(machine.state(at(1599)), State::Closed);
    machine.evaluate(at(1600));
    assert_eq!(machine.state(at(1600)), State::Open);
}

#[test]
fn evidence_counts_slow_calls_as_it_does_failures() {
    let mut machine = under(Evidence::default());
    for index in 0..20 {
        let ticket = machine.admit(at(index * 200)).unwrap();
        machine.settle(ticket, GOOD, at(index * 200 + 101));
        if machine.state(at(index * 200 + 101)) == State::Open {
            return;
        }
    }
    panic!("slow calls alone have to trip it");
}

#[test]
fn a_lower_tolerated_rate_trips_on_fewer() {
    let tripped = |rate| time_to_trip(&mut under(Evidence::tolerating(rate)), 100, 60, 0.30, 3).is_some();
    assert!(tripped(0.2));
    assert!(!tripped(0.5));
}

// Rule 12: a window slides.

#[test]
fn ten_thousand_good_calls_an_hour_ago_do_not_hide_an_outage() {
    let windows = [SlidingWindow::last_calls(100), SlidingWindow::last(ms(10_000))];
    for window in windows {
        let mut machine = under(FailureRate::at_least(0.5).over(window));
        for index in 0..10_000 {
            call(&mut machine, GOOD, at(index));
        }
        let hour = 3_600_000;
        let calls = (0..100).find(|index| {
            call(&mut machine, BAD, at(hour + index * 10));
            machine.state(at(hour + index * 10)) == State::Open
        });
        assert!(calls.is_some(), "{window:?}");
    }
}

#[test]
fn a_window_of_calls_holds_the_last_n() {
    let mut machine = under(
        FailureRate::at_least(0.99)
            .over(SlidingWindow::last_calls(10))
            .minimum_calls(10),
    );
    for index in 0..50 {
        call(&mut machine, if index % 5 == 0 { BAD } else { GOOD }, at(index));
        let counts = machine.view(at(index)).policies[0].counts;
        assert_eq!(counts.calls, (index + 1).min(10));
    }
    let counts = machine.view(at(50)).policies[0].counts;
    assert_eq!((counts.calls, counts.failed), (10, 2));
}

#[test]
fn a_window_of_time_holds_the_last_t_to_a_twentieth() {
    let window = SlidingWindow::last(ms(1000));
    let mut machine = under(FailureRate::at_least(0.99).over(window));
    call(&mut machine, BAD, at(0));
    for now in 1..=1000 {
        call(&mut machine, GOOD, at(now));
    }
    let counts = |now| machine.view(at(now)).policies[0].counts;
    assert_eq!((counts(1000).failed, counts(1000).calls), (0, 951));
    assert_eq!(counts(1500).calls, 451);
    assert_eq!(counts(2000).calls, 0, "a gap empties it");
    assert_eq!(counts(u64::MAX / 2_000_000).calls, 0, "of any length");
}

// Rule 13: the trip test.

#[test]
fn the_trip_test_runs_after_a_success_too() {
    let mut machine = under(FailureRate::at_least(0.5).minimum_calls(4));
    for completion in [BAD, BAD, GOOD] {
        call(&mut machine, completion, at(0));
        assert_eq!(machine.state(at(0)), State::Closed);
    }
    call(&mut machine, GOOD, at(0));
    assert_eq!(
        machine.state(at(0)),
        State::Open,
        "half of four failed, and a success was the fourth"
    );
}

#[test]
fn a_rate_at_the_threshold_trips_and_one_below_does_not() {
    let mut machine = under(FailureRate::at_least(0.3).minimum_calls(10));
    for completion in [BAD, BAD, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD] {
        call(&mut machine, completion, at(0));
    }
    let mut below = machine.clone();
    call(&mut below, GOOD, at(0));
    call(&mut machine, BAD, at(0));
    assert_eq!(below.state(at(0)), State::Closed);
    assert_eq!(machine.state(at(0)), State::Open);
}

#[test]
fn slow_is_strictly_longer_than_the_threshold() {
    let mut machine = under(SlowCallRate::at_least(1.0).minimum_calls(1));
    let exact = machine.admit(at(0)).unwrap();
    machine.settle(exact, GOOD, at(100));
    assert_eq!(machine.state(at(100)), State::Closed);
    let mut machine = under(SlowCallRate::at_least(1.0).minimum_calls(1));
    let longer = machine.admit(at(0)).unwrap();
    machine.settle(longer, GOOD, at(101));
    assert_eq!(machine.state(at(101)), State::Open);
}

#[test]
fn an_empty_window_never_trips() {
    let counts = Counts::default();
    assert_eq!(FailureRate::at_least(1e-9).minimum_calls(1).trip(&counts), None);
    assert_eq!(SlowCallRate::at_least(1e-9).minimum_calls(1).trip(&counts), None);
    assert_eq!(Evidence::default().trip(&counts), None);
}

#[test]
fn a_rate_window_of_100_calls_trips_within_100() {
    let mut machine = under(FailureRate::at_least(0.5).over(SlidingWindow::last_calls(100)));
    for index in 0..50_000 {
        call(&mut machine, GOOD, at(index));
    }
    let tripped = (0..100).position(|_| {
        call(&mut machine, BAD, at(50_000));
        machine.state(at(50_000)) == State::Open
    });
    assert_eq!(tripped, Some(49));
}

#[test]
fn failures_are_no_slow_calls_and_slow_calls_no_failures() {
    let mut machine = under(FailureRate::at_least(0.5).minimum_calls(1));
    let ticket = machine.admit(at(0)).unwrap();
    machine.settle(ticket, GOOD, at(500));
    assert_eq!(machine.state(at(500)), State::Closed);
    let mut machine = under(SlowCallRate::at_least(0.5).minimum_calls(1));
    call(&mut machine, BAD, at(0));
    assert_eq!(machine.state(at(0)), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_comes_after_slow_after_is_a_failure_too() {
    for window in [SlidingWindow::last_calls(10), SlidingWindow::last(ms(60_000))] {
        let policy = FailureRate::at_least(0.5).over(window).minimum_calls(10);
        let layer = builder().slow_after(ms(300)).trip_when(policy).build().unwrap();
        for call in 0..10 {
            let permit = layer
                .breaker()
                .try_acquire()
                .unwrap_or_else(|_| panic!("{window:?}: call {call}"));
            tokio::time::advance(ms(1000)).await;
            permit.record(if call < 5 { Outcome::Success } else { Outcome::Failure });
        }
        let reason = layer.breaker().snapshot().last_trip.expect("half of ten failed");
        assert_eq!((reason.name(), reason.measured()), ("failure rate", 0.5));
    }
}

// Policies together.

#[test]
fn policies_combine_with_or_and_the_reason_says_which() {
    let policy = || {
        FailureRate::at_least(0.9)
            .or(ConsecutiveFailures::of(5))
            .or(SlowCallRate::at_least(0.5).minimum_calls(2))
    };
    let mut machine = under(policy());
    for _ in 0..5 {
        call(&mut machine, BAD, at(0));
    }
    assert_eq!(machine.view(at(0)).last_trip.unwrap().name(), "consecutive failures");
    let mut machine = under(policy());
    let slow = [1, 2].map(|_| machine.admit(at(0)).unwrap());
    for ticket in slow {
        machine.settle(ticket, GOOD, at(200));
    }
    let reason = machine.view(at(200)).last_trip.unwrap();
    assert_eq!((reason.name(), reason.measured()), ("slow-call rate", 1.0));
}

#[derive(Debug)]
struct Moody;

impl TripPolicy for Moody {
    fn trip(&self, counts: &Counts) -> Option<TripReason> {
        assert!(counts.calls < 3, "on purpose");
        (counts.failed == 2).then(|| TripReason::custom("moody", 2.0, 2.0))
    }

    fn window(&self) -> Option<SlidingWindow> {
        Some(SlidingWindow::last_calls(3))
    }
}

#[test]
fn a_users_own_policy_decides_over_its_own_window() {
    let mut machine = under(Moody);
    call(&mut machine, BAD, at(0));
    call(&mut machine, BAD, at(0));
    assert_eq!(
        machine.view(at(0)).last_trip.unwrap().to_string(),
        "moody: 2 (threshold 2)"
    );
}

#[test]
fn a_policy_that_panics_did_not_trip() {
    let mut machine = under(Moody);
    for _ in 0..3 {
        call(&mut machine, GOOD, at(0));
    }
    assert_eq!(machine.state(at(0)), State::Closed);
    assert_eq!(machine.view(at(0)).policies[0].counts.calls, 3);
}
