//! Contestants that do one thing, and tell what they saw.

use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};

use tower_breaker::clock::Timestamp;
use tower_breaker_protection::{
    contestant::{Call, Contestant, End, Gate, Pass, Route},
    measure::Measures,
    roster::{Entry, OURS},
    scenario::Scenario,
    sim::{self, Conditions},
};

/// A call that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) key: u32,
    /// Seconds.
    pub(crate) started: f64,
    pub(crate) took: f64,
    pub(crate) end: End,
}

/// Sends every call to one side, and notes how it ends.
#[derive(Debug)]
pub(crate) struct Witness {
    to_backup: bool,
    next: u64,
    in_flight: HashMap<u64, (u32, Timestamp)>,
    seen: Rc<RefCell<Vec<Seen>>>,
    /// From when on it calls itself open.
    opens_at: Option<Timestamp>,
}

impl Witness {
    fn note(&mut self, pass: Pass, end: End, now: Timestamp) {
        let (key, started) = self.in_flight.remove(&pass.0).expect("a call ends once");
        self.seen.borrow_mut().push(Seen {
            key,
            started: started.as_nanos() as f64 / 1e9,
            took: now.since(started).as_secs_f64(),
            end,
        });
    }
}

impl Contestant for Witness {
    fn ask(&mut self, call: Call, now: Timestamp) -> Route {
        self.next += 1;
        self.in_flight.insert(self.next, (call.key, now));
        if self.to_backup {
            Route::Refused(Pass(self.next))
        } else {
            Route::Primary(Pass(self.next))
        }
    }

    fn primary_ended(&mut self, pass: Pass, end: End, now: Timestamp) {
        self.note(pass, end, now);
    }

    fn backup_ended(&mut self, pass: Pass, end: End, now: Timestamp) {
        self.note(pass, end, now);
    }

    fn gate(&self, now: Timestamp) -> Gate {
        match self.opens_at {
            Some(at) if at <= now => Gate::Open,
            _ => Gate::Closed,
        }
    }
}

pub(crate) const CONDITIONS: Conditions = Conditions {
    seed: 1,
    reject: false,
    timeout_at_objective: false,
    timeline: None,
};

/// Runs a scenario with everything to the primary.
pub(crate) fn witness(scenario: &Scenario, conditions: Conditions) -> (Measures, Vec<Seen>) {
    run(scenario, conditions, false, None)
}

/// The same with everything to the backup.
pub(crate) fn refuse_all(scenario: &Scenario, conditions: Conditions) -> (Measures, Vec<Seen>) {
    run(scenario, conditions, true, None)
}

/// With everything to the primary and a gate that says it is open, from so many seconds on.
pub(crate) fn trip_at(scenario: &Scenario, seconds: u64) -> Measures {
    let opens_at = Timestamp::START + Duration::from_secs(seconds);
    run(scenario, CONDITIONS, false, Some(opens_at)).0
}

fn run(
    scenario: &Scenario,
    conditions: Conditions,
    to_backup: bool,
    opens_at: Option<Timestamp>,
) -> (Measures, Vec<Seen>) {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (measures, _) = sim::run(scenario, conditions, &|_| {
        Box::new(Witness {
            to_backup,
            next: 0,
            in_flight: HashMap::new(),
            seen: seen.clone(),
            opens_at,
        })
    });
    let seen = seen.borrow().clone();
    (measures, seen)
}

/// Our first contestant, and none.
pub(crate) fn ours_and_none() -> [Entry; 2] {
    let none = Entry {
        name: Entry::NONE,
        about: "everything to the primary",
        timeout_at_objective: false,
        make: |_| {
            Box::new(Witness {
                to_backup: false,
                next: 0,
                in_flight: HashMap::new(),
                seen: Rc::default(),
                opens_at: None,
            })
        },
    };
    [OURS[0], none]
}

pub(crate) fn scenario(text: &str) -> Scenario {
    let head = "name = \"test\"\ntitle = \"a test\"\n";
    Scenario::parse(&format!("{head}{text}"), "test.toml").unwrap()
}
