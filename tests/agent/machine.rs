//! What the agent asks of the machine.

use tower_breaker::{
    State,
    machine::{Completion, Machine, Settings},
    policy::ConsecutiveFailures,
    recovery::Recovery,
    snapshot::Mode,
};

use crate::common::{
    breakers::disk_is_full,
    durations::ms,
    machine::{BAD, GOOD, at, settings},
};

fn machine() -> Machine {
    crate::common::machine::machine(settings())
}

fn tripped() -> Machine {
    let mut machine = machine();
    assert!(machine.trip_for(disk_is_full(), at(0)));
    machine
}

#[test]
fn a_trip_from_outside_is_like_any_other() {
    let mut machine = machine();
    let stale = machine.admit(at(0)).unwrap();
    assert!(machine.trip_for(disk_is_full(), at(0)));
    assert_eq!(machine.state(at(0)), State::Open);
    assert_eq!(machine.view(at(0)).last_trip, Some(disk_is_full()));
    assert!(!machine.is_current(&stale));
    // Open already: it isn't begun again.
    assert!(!machine.trip_for(disk_is_full(), at(999)));
    assert_eq!(machine.state(at(1000)), State::ReadyToProbe);
    assert!(!machine.trip_for(disk_is_full(), at(1000)));
    let probe = machine.admit(at(1000)).unwrap();
    assert!(machine.trip_for(disk_is_full(), at(1001)));
    assert_eq!(machine.state(at(1001)), State::Open);
    assert!(!machine.is_current(&probe));
    assert_eq!(machine.view(at(1001)).attempt, 1);
}

#[test]
fn where_an_operator_decides_it_changes_nothing() {
    for mode in [Mode::ForcedOpen, Mode::Disabled] {
        let mut machine = machine();
        machine.set_mode(mode, "by hand".into(), None, at(0));
        let before = machine.view(at(1));
        assert!(!machine.trip_for(disk_is_full(), at(1)));
        assert_eq!(machine.view(at(1)), before);
    }
}

#[test]
fn in_shadow_mode_it_is_noted_once_in_ten_seconds() {
    let mut machine = machine();
    machine.set_mode(Mode::Shadow, "by hand".into(), None, at(0));
    machine.take_transitions();
    for millis in [1, 2, 9_000, 10_001, 10_002] {
        assert!(!machine.trip_for(disk_is_full(), at(millis)));
    }
    assert_eq!(machine.take_transitions().len(), 2);
    assert_eq!(machine.state(at(10_002)), State::Closed);
}

#[test]
fn kept_trials_are_not_for_calls_or_reservations() {
    let mut machine = tripped();
    machine.reserve_trials(true);
    for millis in [1000, 5000, 3_600_000] {
        assert!(machine.admit(at(millis)).is_err());
        assert!(machine.reserve(at(millis)).is_err());
    }
    let now = 3_600_000;
    assert_eq!(machine.state(at(now)), State::ReadyToProbe, "no caller began the trial");
    // A refused caller should not come back at once.
    assert!(machine.refusal(at(now)).retry_after.unwrap() > ms(0));
    let trial = machine.admit_to_trial(at(now)).unwrap();
    assert_eq!(machine.state(at(now)), State::HalfOpen);
    assert!(machine.admit(at(now)).is_err() && machine.reserve(at(now)).is_err());
    machine.settle(trial, GOOD, at(now));
    // The stages are the calls'.
    assert!(machine.admit(at(now)).is_ok());
    assert!(machine.admit_to_trial(at(now)).is_none());
}

#[test]
fn trials_are_kept_until_all_who_keep_them_let_go() {
    let mut machine = tripped();
    machine.reserve_trials(true);
    machine.reserve_trials(true);
    machine.reserve_trials(false);
    assert!(machine.admit(at(1000)).is_err());
    machine.reserve_trials(false);
    // One too many does no harm.
    machine.reserve_trials(false);
    machine.reserve_trials(true);
    assert!(machine.admit(at(1000)).is_err());
    machine.reserve_trials(false);
    assert!(machine.admit(at(1000)).is_ok());
}

#[test]
fn a_trial_has_no_more_places_than_calls_for_callers_and_agents_together() {
    let settings = settings().recovery(Recovery::permitted_calls(3));
    let mut machine = Machine::new(settings, 1).unwrap();
    machine.trip_for(disk_is_full(), at(0));
    assert!(machine.admit_to_trial(at(999)).is_none());
    let first = machine.admit_to_trial(at(1000)).unwrap();
    let second = machine.admit(at(1000)).unwrap();
    let third = machine.admit_to_trial(at(1000)).unwrap();
    assert!(machine.admit_to_trial(at(1000)).is_none() && machine.admit(at(1000)).is_err());
    // One that was given up gives its place back.
    machine.settle(third, Completion::Cancelled, at(1001));
    let third = machine.admit_to_trial(at(1001)).unwrap();
    for ticket in [first, second, third] {
        machine.settle(ticket, GOOD, at(1002));
    }
    assert_eq!(machine.state(at(1002)), State::Closed);
    assert!(machine.admit_to_trial(at(1002)).is_none());
}

#[test]
fn a_trial_from_outside_needs_no_refused_calls() {
    let mut machine = Machine::new(Settings::default().trip_when(ConsecutiveFailures::of(3)), 1).unwrap();
    machine.trip_for(disk_is_full(), at(0));
    assert!(machine.admit(at(3000)).is_err(), "it waits for ten calls to refuse");
    let trial = machine.admit_to_trial(at(3000)).unwrap();
    machine.settle(trial, BAD, at(3001));
    assert_eq!(machine.state(at(3001)), State::Open);
}

#[test]
fn what_is_forced_open_has_no_trial() {
    let mut machine = machine();
    machine.set_mode(Mode::ForcedOpen, "by hand".into(), None, at(0));
    assert!(machine.admit_to_trial(at(1_000_000)).is_none());
}
