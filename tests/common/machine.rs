//! A pure machine with default settings, of which each test changes one.

use tower_breaker::{
    Outcome,
    machine::{Completion, Machine, Settings, Settled, Ticket, Timestamp},
    policy::ConsecutiveFailures,
};

use super::durations::ms;

pub(crate) const GOOD: Completion = Completion::Finished(Outcome::Success);
pub(crate) const BAD: Completion = Completion::Finished(Outcome::Failure);
pub(crate) const IGNORED: Completion = Completion::Finished(Outcome::Ignored);

/// A point in time, in milliseconds since the clock began.
pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::START + ms(millis)
}

/// Trips at the third bad call in a row, stays open for exactly one second.
pub(crate) fn settings() -> Settings {
    Settings::default()
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(ms(1000))
}

pub(crate) fn machine(settings: Settings) -> Machine {
    Machine::new(settings, 1).unwrap()
}

/// Makes one call that takes no time.
pub(crate) fn call(machine: &mut Machine, completion: Completion, now: Timestamp) -> Settled {
    let ticket = machine.admit(now).expect("admitted");
    machine.settle(ticket, completion, now)
}

/// A machine with [`settings`] that tripped at 0 ms, and a ticket from before.
pub(crate) fn tripped() -> (Machine, Ticket) {
    let mut machine = machine(settings());
    let stale = machine.admit(at(0)).unwrap();
    for _ in 0..3 {
        call(&mut machine, BAD, at(0));
    }
    (machine, stale)
}
