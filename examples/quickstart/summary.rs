use std::{
    io::{self, Write},
    time::Duration,
};

use tower_breaker::{State, Transition};

use crate::{
    plan::{self, Condition, Phase},
    tally::Tally,
    traffic::Call,
};

/// The whole run. What comes in pairs is first with the breaker, then without, as in [`Side`](crate::traffic::Side).
#[derive(Debug)]
pub(crate) struct Summary {
    calls: [Tally; 2],
    faults: Vec<Fault>,
}

/// One fault of the primary, and what came of it until the next.
#[derive(Debug)]
struct Fault {
    phase: Phase,
    calls: [Tally; 2],
    /// From the start of the fault.
    tripped_after: Option<Duration>,
    /// From its end.
    closed_after: Option<Duration>,
}

impl Summary {
    pub(crate) fn new() -> Self {
        let sick = plan::phases().filter(|phase| phase.condition != Condition::Healthy);
        Self {
            calls: Default::default(),
            faults: sick.map(Fault::new).collect(),
        }
    }

    pub(crate) fn call(&mut self, call: &Call) {
        let side = call.side as usize;
        self.calls[side].note(call);
        if let Some(fault) = self.fault_before(call.due) {
            fault.calls[side].note(call);
        }
    }

    pub(crate) fn transition(&mut self, at: Duration, transition: &Transition) {
        let Some(fault) = self.fault_before(at) else { return };
        let Phase { from, to, .. } = fault.phase;
        match transition {
            Transition::Opened { .. } if at < to => fault.tripped_after = fault.tripped_after.or(Some(at - from)),
            Transition::Closed if at >= to => fault.closed_after = fault.closed_after.or(Some(at - to)),
            _ => {}
        }
    }

    fn fault_before(&mut self, at: Duration) -> Option<&mut Fault> {
        self.faults.iter_mut().rev().find(|fault| fault.phase.from <= at)
    }

    pub(crate) fn write(&self, mut out: impl Write, wasted: [u64; 2]) -> io::Result<()> {
        let [with, without] = &self.calls;
        let percent = |tally: &Tally| 100.0 * tally.errors as f64 / tally.requests().max(1) as f64;
        writeln!(out, "\n{:38}{:>12}{:>17}", "", "with breaker", "without breaker")?;
        for (what, with, without) in [
            ("requests", with.requests(), without.requests()),
            ("good answers by the primary", with.by_primary, without.by_primary),
            ("good answers by the backup", with.by_backup, without.by_backup),
            ("errors that users saw", with.errors, without.errors),
        ] {
            writeln!(out, "{what:38}{with:>12}{without:>17}")?;
        }
        writeln!(
            out,
            "{:38}{:>10.1} %{:>15.1} %",
            "  of all requests",
            percent(with),
            percent(without)
        )?;
        let [with, without] = wasted;
        writeln!(out, "{:38}{with:>12}{without:>17}", "calls wasted on a sick primary")?;

        writeln!(
            out,
            "\n{:8}{:>16}{:>14}{:>12}{:>17}",
            "fault", "tripped after", "closed after", "errors", "errors without"
        )?;
        for fault in &self.faults {
            let [with, without] = &fault.calls;
            writeln!(
                out,
                "{:8}{:>16}{:>14}{:>12}{:>17}",
                fault.phase.condition,
                seconds(fault.tripped_after),
                seconds(fault.closed_after),
                with.errors,
                without.errors,
            )?;
        }
        writeln!(
            out,
            "(tripped: from the start of the fault; closed again: from its end)\n"
        )
    }

    /// Where the breaker was of no use.
    pub(crate) fn complaints(&self, state: State) -> Vec<String> {
        let mut complaints = Vec::new();
        let [with, without] = &self.calls;
        if with.errors >= without.errors {
            complaints.push(format!(
                "{} errors with the breaker, {} without",
                with.errors, without.errors
            ));
        }
        for fault in &self.faults {
            let condition = fault.phase.condition;
            if fault.tripped_after.is_none() {
                complaints.push(format!("it didn't trip while the primary was {condition}"));
            }
            if fault.closed_after.is_none() {
                complaints.push(format!("it didn't close again after the primary was {condition}"));
            }
        }
        if state != State::Closed {
            complaints.push(format!("it is {state} at the end"));
        }
        complaints
    }
}

impl Fault {
    fn new(phase: Phase) -> Self {
        Self {
            phase,
            calls: Default::default(),
            tripped_after: None,
            closed_after: None,
        }
    }
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or("never".into(), |time| format!("{:.2} s", time.as_secs_f64()))
}
