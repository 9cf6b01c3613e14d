//! A service under open traffic, in virtual time: its calls start when they will, not when others
//! have ended.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use tower_breaker::{
    State,
    clock::Timestamp,
    config::SlowAfter,
    machine::{Machine, Settings, Ticket},
    observe::Transition,
};

use crate::support::*;

pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A reproducible stream of numbers.
pub(crate) struct Chances(Box<dyn Iterator<Item = f64>>);

impl Chances {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Box::new(chances(seed)))
    }

    /// Between 0 and 1.
    pub(crate) fn even(&mut self) -> f64 {
        self.0.next().unwrap()
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.even()).ln()
    }

    pub(crate) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        let (radius, angle) = (self.exponential(2.0).sqrt(), std::f64::consts::TAU * self.even());
        median * (sigma * radius * angle.cos()).exp()
    }
}

/// A machine, and the calls that are in flight.
pub(crate) struct Traffic {
    pub(crate) machine: Machine,
    pub(crate) chances: Chances,
    now: f64,
    in_flight: BinaryHeap<Reverse<InFlight>>,
    /// When it opened, in seconds.
    pub(crate) trips: Vec<f64>,
}

/// Ordered by what comes next: its due time, or its end.
struct InFlight {
    next: Timestamp,
    ends: Timestamp,
    ticket: Ticket,
    overdue: bool,
}

impl PartialEq for InFlight {
    fn eq(&self, other: &Self) -> bool {
        self.next == other.next
    }
}

impl Eq for InFlight {}

impl PartialOrd for InFlight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InFlight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.next.cmp(&other.next)
    }
}

impl Traffic {
    /// Under the default settings, but that `slow_after` is learned.
    pub(crate) fn new() -> Self {
        Self {
            machine: machine(Settings::default().slow_after(SlowAfter::Learned)),
            chances: Chances::new(7),
            now: 0.0,
            in_flight: BinaryHeap::new(),
            trips: Vec::new(),
        }
    }

    /// Calls at random, so many a second on average, for so many seconds; `takes` says how long
    /// each takes that starts at a time.
    pub(crate) fn run(&mut self, per_second: f64, seconds: f64, mut takes: impl FnMut(f64, &mut Chances) -> f64) {
        let until = self.now + seconds;
        loop {
            let next = self.now + self.chances.exponential(1.0 / per_second);
            if next > until {
                break;
            }
            self.call(next, &mut takes);
        }
        self.sleep_until(until);
    }

    /// So many calls at once.
    pub(crate) fn burst(&mut self, calls: u32, mut takes: impl FnMut(f64, &mut Chances) -> f64) {
        for _ in 0..calls {
            self.call(self.now, &mut takes);
        }
    }

    pub(crate) fn sleep(&mut self, seconds: f64) {
        self.sleep_until(self.now + seconds);
    }

    pub(crate) fn slow_after(&self) -> Duration {
        self.machine.slow_after().expect("it has been learned")
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.machine.state(at_seconds(self.now)) == State::Closed
    }

    fn call(&mut self, start: f64, takes: &mut impl FnMut(f64, &mut Chances) -> f64) {
        self.sleep_until(start);
        let start = at_seconds(start);
        let ends = start + secs(takes(self.now, &mut self.chances));
        if let Ok(ticket) = self.machine.admit(start) {
            let due = ticket.due(start).filter(|due| *due < ends);
            self.in_flight.push(Reverse(InFlight {
                next: due.map_or(ends, |due| due + Duration::from_nanos(1)),
                ends,
                ticket,
                overdue: false,
            }));
        }
        self.note_trips();
    }

    fn sleep_until(&mut self, then: f64) {
        while let Some(Reverse(call)) = self.in_flight.pop() {
            if call.next > at_seconds(then) {
                self.in_flight.push(Reverse(call));
                break;
            }
            self.now = call.next.as_nanos() as f64 / 1e9;
            self.step(call);
            self.note_trips();
        }
        self.now = then;
    }

    fn step(&mut self, call: InFlight) {
        let now = call.next;
        let is_current = self.machine.is_current(&call.ticket);
        if now < call.ends {
            if is_current {
                self.machine.overdue(now, now);
            }
            self.in_flight.push(Reverse(InFlight {
                next: call.ends,
                overdue: is_current,
                ..call
            }));
        } else if call.overdue && is_current {
            self.machine.learn(&call.ticket, GOOD, now);
        } else {
            self.machine.settle(call.ticket, GOOD, now);
        }
    }

    fn note_trips(&mut self) {
        let opened = |transition: &Transition| matches!(transition, Transition::Opened { .. });
        let trips = self
            .machine
            .take_transitions()
            .iter()
            .filter(|transition| opened(transition))
            .count();
        self.trips.extend(std::iter::repeat_n(self.now, trips));
    }
}

fn at_seconds(seconds: f64) -> Timestamp {
    Timestamp::START + secs(seconds)
}
