//! The summary of a run: what the breaker saved, in all and fault by fault.

use std::time::Duration;

use tower_breaker::{State, observe::Transition};

use crate::{
    call_counts::CallCounts,
    plan::{FAULTS, Fault},
    traffic::Call,
};

/// The counts of the whole run. The first of each pair is with the breaker, the second without.
#[derive(Default)]
pub(crate) struct Summary {
    calls: [CallCounts; 2],
    faults: [FaultCounts; FAULTS.len()],
}

/// The counts from the start of a fault to the start of the next one.
#[derive(Default)]
struct FaultCounts {
    calls: [CallCounts; 2],
    /// From the start of the fault.
    tripped_after: Option<Duration>,
    /// From the end of the fault.
    closed_after: Option<Duration>,
}

impl Summary {
    pub(crate) fn call(&mut self, call: &Call) {
        let side = call.side as usize;
        self.calls[side].note(call);
        if let Some((_, after)) = self.last_fault(call.due) {
            after.calls[side].note(call);
        }
    }

    pub(crate) fn transition(&mut self, at: Duration, transition: &Transition) {
        let Some((Fault { from, to, .. }, after)) = self.last_fault(at) else {
            return;
        };
        match transition {
            Transition::Opened { .. } if at < to => after.tripped_after = after.tripped_after.or(Some(at - from)),
            Transition::Closed if at >= to => after.closed_after = after.closed_after.or(Some(at - to)),
            _ => {}
        }
    }

    fn last_fault(&mut self, at: Duration) -> Option<(Fault, &mut FaultCounts)> {
        let last = FAULTS.iter().rposition(|fault| fault.from <= at)?;
        Some((FAULTS[last], &mut self.faults[last]))
    }

    pub(crate) fn text(&self, wasted: [u64; 2]) -> String {
        let row = |label: &str, [with, without]: [String; 2]| format!("\n{label:38}{with:>12}{without:>17}");
        let counts = |count: fn(&CallCounts) -> usize| self.calls.each_ref().map(|calls| count(calls).to_string());
        let percent = |calls: &CallCounts| format!("{:.1} %", 100.0 * calls.errors() as f64 / calls.requests() as f64);
        let mut text = [
            row("", ["with breaker", "without breaker"].map(Into::into)),
            row("requests", counts(CallCounts::requests)),
            row("good answers of the primary", counts(|calls| calls.answers[0])),
            row("good answers of the backup", counts(|calls| calls.answers[1])),
            row("errors that users saw", counts(CallCounts::errors)),
            row("  of all requests", self.calls.each_ref().map(percent)),
            row("calls wasted on a sick primary", wasted.map(|calls| calls.to_string())),
            "\n\nfault      tripped after  closed after   errors with   errors without".into(),
        ]
        .concat();
        for (fault, after) in FAULTS.iter().zip(&self.faults) {
            let times = [after.tripped_after, after.closed_after].map(|time| match time {
                Some(time) => format!("{:.2} s", time.as_secs_f64()),
                None => "never".into(),
            });
            let label = format!("{:8}{:>16}{:>14}", fault.condition, times[0], times[1]);
            text += &row(&label, after.calls.each_ref().map(|calls| calls.errors().to_string()));
        }
        text + "\n(tripped: from the start of the fault; closed again: from its end)"
    }

    /// Returns an error if the breaker was of no use.
    pub(crate) fn check(&self, state: State) -> Result<(), String> {
        let [with, without] = self.calls.each_ref().map(CallCounts::errors);
        let mut faults = FAULTS.iter().zip(&self.faults);
        match faults.find(|(_, after)| after.tripped_after.and(after.closed_after).is_none()) {
            Some((Fault { condition, .. }, _)) => Err(format!(
                "the breaker didn't trip while the primary was {condition}, or didn't close again"
            )),
            None if state != State::Closed => Err(format!("the breaker is {state} at the end")),
            None if with >= without => Err(format!("users saw {with} errors with the breaker, {without} without")),
            None => Ok(()),
        }
    }
}
