//! The bugs that the random sequences found, each in its shortest form. Each test names its cause.

use std::{mem::forget, time::Duration};

use tower_breaker::{
    Breaker, CircuitBreakerLayer, Config, Evidence, Outcome, State,
    clock::Timestamp,
    config::CancelledCalls,
    machine::{Completion, Machine, Settings, Settled, Ticket},
    observe::Transition,
    policy::{ConsecutiveFailures, TripPolicy},
    recovery::{OpenDuration, Recovery},
    snapshot::Mode,
};

use crate::common::{
    clock::ManualClock,
    durations::ms,
    machine::{BAD, GOOD, at, call},
};

fn machine(settings: Settings) -> Machine {
    Machine::new(settings, 0).expect("the settings are valid")
}

/// Trips at the first bad call, for a second.
fn touchy() -> Settings {
    Settings::default()
        .trip_when(ConsecutiveFailures::of(1))
        .open_duration(ms(1000))
}

/// Half-open at 1 s, its trial to come.
fn half_open(settings: Settings) -> Machine {
    let mut machine = machine(settings);
    call(&mut machine, BAD, at(0));
    machine
}

fn reserve(machine: &mut Machine, now: Timestamp) -> Ticket {
    let ticket = machine.reserve(now).expect("it is reserved");
    assert!(ticket.is_reservation());
    ticket
}

fn breaker(config: Config) -> (Breaker, ManualClock) {
    let clock = ManualClock::default();
    let layer = CircuitBreakerLayer::builder()
        .config(config)
        .clock(clock.clone())
        .build()
        .expect("the configuration is valid");
    (layer.breaker().clone(), clock)
}

#[test]
fn a_probe_timeout_shorter_than_slow_after_comes_first() {
    let mut machine = half_open(
        touchy()
            .slow_after(ms(10_000))
            .recovery(Recovery::gradual().probe_timeout(ms(1000))),
    );
    let probe = machine.admit(at(1000)).expect("it is the probe");
    assert_eq!(probe.due(at(1000)), Some(at(2000)));
}

#[test]
fn a_call_from_before_a_mode_lapsed_is_not_overdue_after_it() {
    let mut machine = machine(touchy().slow_after(ms(100)));
    machine.set_mode(Mode::Disabled, "by hand".into(), Some(ms(50)), at(0));
    let _hangs = machine.admit(at(0)).expect("all calls flow");
    machine.overdue(at(100), at(200));
    assert_eq!(machine.state(at(200)), State::Closed);
}

#[test]
fn a_reservation_that_is_given_up_is_no_failure() {
    let mut machine = half_open(touchy().cancelled_calls(CancelledCalls::Failure));
    let ticket = reserve(&mut machine, at(1000));
    assert_eq!(
        machine.settle(ticket, Completion::Cancelled, at(1000)),
        Settled::Cancelled
    );
    assert_eq!(machine.state(at(1000)), State::HalfOpen);
    assert!(machine.admit(at(1000)).is_ok(), "its place is free again");
}

#[test]
fn a_reservation_that_ran_out_is_untracked() {
    let mut machine = half_open(touchy());
    let mut late = reserve(&mut machine, at(1000));
    assert!(!machine.claim(&mut late, at(5000)));
    let probe = machine.admit(at(5000)).expect("the place is free");
    // Had it freed the probe's place, there would be two probes.
    let ignored = Completion::Finished(Outcome::Ignored);
    assert_eq!(machine.settle(late, ignored, at(5000)), Settled::Stale);
    assert!(machine.admit(at(5000)).is_err());
    drop(probe);
}

/// Of any ten calls, a stage of 20 % lets two through; those that it reserved before and that were
/// never made add nothing.
#[test]
fn reservations_that_run_out_together_leave_no_credit() {
    let mut machine = half_open(touchy());
    call(&mut machine, GOOD, at(1000));
    assert_eq!(machine.view(at(1000)).share, 20);
    let reserved = (0..500).filter(|_| machine.reserve(at(1000)).is_ok()).count();
    assert_eq!(reserved, 100);
    let admitted = (0..10).filter(|_| machine.admit(at(4000)).is_ok()).count();
    assert!(admitted <= 2, "{admitted} of 10");
}

#[test]
fn a_reservation_does_not_hold_once_its_stage_has_passed() {
    let mut machine = half_open(touchy().recovery(Recovery::gradual().stages([50, 100]).stage_duration(ms(10))));
    call(&mut machine, GOOD, at(1000));
    let mut ticket = reserve(&mut machine, at(1000));
    let _refused = machine.admit(at(1000));
    call(&mut machine, GOOD, at(1000));
    assert!(machine.is_valid(&ticket, at(1039)));
    // By then the stage has lasted four times its duration, with a good call.
    assert!(!machine.is_valid(&ticket, at(1040)));
    assert!(!machine.claim(&mut ticket, at(1040)));
}

#[test]
fn a_reservation_does_not_hold_once_its_mode_has_lapsed() {
    let mut machine = machine(touchy());
    machine.set_mode(Mode::Shadow, "by hand".into(), Some(ms(50)), at(0));
    let mut ticket = machine.reserve(at(0)).expect("all calls flow");
    assert!(!machine.is_valid(&ticket, at(50)));
    assert!(!machine.claim(&mut ticket, at(50)));
}

#[test]
fn half_open_weighs_bad_calls_by_an_evidence_however_deep() {
    let lenient = Evidence::tolerating(0.8)
        .minimum_excess(1.0)
        .sustained_for(Duration::ZERO);
    let nested = ConsecutiveFailures::of(1).or(ConsecutiveFailures::of(1).or(lenient));
    for trip_when in [nested, ConsecutiveFailures::of(1).or(lenient)] {
        let mut machine = half_open(
            touchy()
                .trip_when(trip_when)
                .recovery(Recovery::gradual().stages([100])),
        );
        call(&mut machine, GOOD, at(1000));
        // 4 × 0.25, far from the 3 that a stage stands; 4 × 1 would be as much as it takes.
        for _ in 0..4 {
            call(&mut machine, BAD, at(1000));
        }
        assert_eq!(machine.state(at(1000)), State::HalfOpen);
    }
}

/// a = 2/3, which no binary number is: three of them less two leave 2e-16.
#[test]
fn a_bucket_that_breaks_even_is_empty() {
    let mut machine = machine(Settings::default().trip_when(Evidence::tolerating(0.6)));
    for completion in [BAD, BAD, GOOD, BAD, GOOD] {
        call(&mut machine, completion, at(0));
    }
    let bucket = machine.view(at(0)).policies[0].counts.bucket.expect("it is evidence");
    assert_eq!((bucket.level, bucket.judged), (0.0, 0));
}

/// a = 1/4, by way of 0.8: eighty of them come to 20 less 4e-15.
#[test]
fn a_bucket_that_reaches_its_threshold_trips() {
    let mut machine = machine(
        Settings::default().trip_when(
            Evidence::tolerating(0.8)
                .sustained_for(Duration::ZERO)
                .minimum_excess(20.0),
        ),
    );
    for _ in 0..79 {
        call(&mut machine, BAD, at(0));
    }
    assert_eq!(machine.state(at(0)), State::Closed);
    call(&mut machine, BAD, at(0));
    assert_eq!(machine.state(at(0)), State::Open);
}

#[test]
fn automatic_never_reverts() {
    let mut machine = machine(Settings::default());
    machine.set_mode(Mode::ForcedOpen, "by hand".into(), None, at(0));
    machine.set_mode(Mode::Automatic, "by hand".into(), Some(ms(500)), at(0));
    let last = machine.take_transitions().pop();
    assert!(
        matches!(
            last,
            Some(Transition::ModeChanged {
                reverts_after: None,
                ..
            })
        ),
        "{last:?}"
    );
}

#[test]
fn a_refusal_stands_still_with_the_clock() {
    let mut machine = half_open(touchy());
    assert!(machine.admit(at(400)).is_err());
    assert_eq!(machine.refusal(at(100)).retry_after, Some(ms(600)));
}

#[test]
fn a_disabled_breaker_counts_no_call_as_slow() {
    let (breaker, clock) = breaker(Config::default().slow_after(ms(100)));
    breaker.disable("by hand", None);
    let hangs = breaker.try_acquire().expect("all calls flow");
    clock.advance(ms(200));
    breaker.try_acquire().expect("all calls flow").record(Outcome::Success);
    hangs.record(Outcome::Success);
    let totals = breaker.snapshot().totals.primary;
    assert_eq!((totals.calls, totals.slow, totals.succeeded), (0, 0, 0));
}

#[test]
fn a_call_of_a_disabled_breaker_is_not_stale_after_it() {
    let (breaker, _clock) = breaker(Config::default());
    breaker.disable("by hand", None);
    let permit = breaker.try_acquire().expect("all calls flow");
    breaker.automatic("by hand");
    permit.record(Outcome::Success);
    let totals = breaker.snapshot().totals.primary;
    assert_eq!((totals.calls, totals.stale, totals.timed), (0, 0, 0));
}

#[test]
fn a_call_that_was_overdue_is_not_slow_again_under_another_slow_after() {
    let config = Config::default().slow_after(ms(100));
    let (breaker, clock) = breaker(config.clone());
    let hangs = breaker.try_acquire().expect("it is closed");
    clock.advance(ms(200));
    breaker.reconfigure(config.slow_after(ms(10_000))).expect("it is valid");
    breaker.try_acquire().expect("it is closed").record(Outcome::Success);
    hangs.record(Outcome::Success);
    let snapshot = breaker.snapshot();
    assert_eq!(snapshot.totals.primary.slow, 1);
    assert_eq!(snapshot.policies[0].counts.slow, 1);
}

#[test]
fn a_hung_probe_is_found_however_often_slow_after_has_changed() {
    let config = |slow_after| {
        Config::default()
            .slow_after(ms(slow_after))
            .trip_when(ConsecutiveFailures::of(1))
            .open_duration(ms(1000))
            .recovery(Recovery::permitted_calls(3))
    };
    let (breaker, clock) = breaker(config(100));
    breaker.try_acquire().expect("it is closed").record(Outcome::Failure);
    clock.advance(ms(1000));
    forget(breaker.try_acquire().expect("it is a probe"));
    breaker.reconfigure(config(10_000)).expect("it is valid");
    let good = breaker.try_acquire().expect("it is a probe");
    breaker.reconfigure(config(20)).expect("it is valid");
    let bad = breaker.try_acquire().expect("it is a probe");
    good.record(Outcome::Success);
    bad.record(Outcome::Failure);
    clock.advance(Duration::from_secs(3600));
    assert!(breaker.try_acquire().is_err());
    assert_eq!(breaker.state(), State::Open, "two of three probes were bad");
}

#[test]
fn a_pause_that_a_late_answer_asks_for_is_heeded() {
    let (breaker, clock) = breaker(
        Config::default()
            .slow_after(ms(100))
            .trip_when(ConsecutiveFailures::of(2))
            .open_duration(OpenDuration::fixed(ms(1000)).honor_retry_after(ms(60_000))),
    );
    let mut permit = breaker.try_acquire().expect("it is closed");
    clock.advance(ms(200));
    permit.answered();
    permit.note_retry_after(ms(30_000));
    permit.record(Outcome::Failure);
    breaker.try_acquire().expect("it is closed").record(Outcome::Failure);
    assert_eq!(breaker.snapshot().retry_after, Some(ms(30_000)));
}

#[test]
fn a_stream_that_breaks_off_once_it_was_good_enough_blames_no_other_call() {
    let (breaker, clock) = breaker(
        Config::default()
            .slow_after(ms(100))
            .trip_when(ConsecutiveFailures::of(2))
            .open_duration(ms(1000))
            .recovery(Recovery::permitted_calls(1)),
    );
    for _ in 0..2 {
        breaker.try_acquire().expect("it is closed").record(Outcome::Failure);
    }
    clock.advance(ms(1000));
    let mut stream = breaker.try_acquire().expect("it is the probe");
    stream.answered();
    clock.advance(ms(1100));
    // The stream has lasted for as long as a probe is given, which closes the breaker.
    let slow = breaker.try_acquire().expect("it is closed");
    clock.advance(ms(200));
    slow.record(Outcome::Success);
    stream.record(Outcome::Failure);
    let counts = breaker.snapshot().policies[0].counts;
    assert_eq!((counts.calls, counts.slow, counts.failed), (1, 1, 0));
}

#[test]
fn events_of_one_step_carry_a_generation_each() {
    let (breaker, clock) = breaker(
        Config::default()
            .slow_after(ms(100))
            .trip_when(ConsecutiveFailures::of(1)),
    );
    let mut events = breaker.subscribe();
    let _hangs = breaker.try_acquire().expect("it is closed");
    clock.advance(ms(200));
    // It finds the call overdue, which trips it, and is forced open on top of that.
    breaker.force_open("by hand", None);
    let generations: Vec<_> = std::iter::from_fn(|| events.try_next())
        .map(|event| event.generation)
        .collect();
    assert_eq!(generations, [2, 3]);
}
