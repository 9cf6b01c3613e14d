//! Contestants that send every call to one side and record how it ends.

use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};

use tower_breaker::clock::Timestamp;
use tower_breaker_protection::{
    contestant::{Call, CallId, Contestant, End, Gate, Route},
    entry::Entry,
    measure::Measures,
    roster::OURS,
    scenario::Scenario,
    sim::{self, Conditions},
};

/// A call that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ObservedCall {
    pub(crate) key: u32,
    /// In seconds.
    pub(crate) started: f64,
    pub(crate) took: f64,
    pub(crate) end: End,
}

/// A contestant that sends every call to one side and records how it ends.
#[derive(Debug)]
pub(crate) struct FixedRoute {
    to_backup: bool,
    next: u64,
    in_flight: HashMap<u64, (u32, Timestamp)>,
    seen: Rc<RefCell<Vec<ObservedCall>>>,
    /// When its gate opens.
    opens_at: Option<Timestamp>,
}

impl FixedRoute {
    fn note(&mut self, id: CallId, end: End, now: Timestamp) {
        let (key, started) = self.in_flight.remove(&id.0).expect("a call ends once");
        self.seen.borrow_mut().push(ObservedCall {
            key,
            started: started.as_nanos() as f64 / 1e9,
            took: now.since(started).as_secs_f64(),
            end,
        });
    }
}

impl Contestant for FixedRoute {
    fn ask(&mut self, call: Call, now: Timestamp) -> Route {
        self.next += 1;
        self.in_flight.insert(self.next, (call.key, now));
        if self.to_backup {
            Route::Refused(CallId(self.next))
        } else {
            Route::Primary(CallId(self.next))
        }
    }

    fn primary_ended(&mut self, id: CallId, end: End, now: Timestamp) {
        self.note(id, end, now);
    }

    fn backup_ended(&mut self, id: CallId, end: End, now: Timestamp) {
        self.note(id, end, now);
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
pub(crate) fn all_to_primary(scenario: &Scenario, conditions: Conditions) -> (Measures, Vec<ObservedCall>) {
    run(scenario, conditions, false, None)
}

/// Runs a scenario with everything to the backup.
pub(crate) fn all_to_backup(scenario: &Scenario, conditions: Conditions) -> (Measures, Vec<ObservedCall>) {
    run(scenario, conditions, true, None)
}

/// Runs a scenario with everything to the primary, and a gate that is open from `seconds` on.
pub(crate) fn trip_at(scenario: &Scenario, seconds: u64) -> Measures {
    let opens_at = Timestamp::START + Duration::from_secs(seconds);
    run(scenario, CONDITIONS, false, Some(opens_at)).0
}

fn run(
    scenario: &Scenario,
    conditions: Conditions,
    to_backup: bool,
    opens_at: Option<Timestamp>,
) -> (Measures, Vec<ObservedCall>) {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (measures, _) = sim::run(scenario, conditions, &|_| {
        Box::new(FixedRoute {
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

/// Returns the entries of our first contestant and of no breaker.
pub(crate) fn ours_and_none() -> [Entry; 2] {
    let none = Entry {
        name: Entry::NONE,
        about: "everything to the primary",
        timeout_at_objective: false,
        make: |_| {
            Box::new(FixedRoute {
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
