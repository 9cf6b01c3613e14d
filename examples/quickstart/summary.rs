use std::time::Duration;

use tower_breaker::{State, observe::Transition};

use crate::{
    plan::{FAULTS, Fault},
    tally::Tally,
    traffic::Call,
};

/// The whole run. Of each pair the first is with the breaker, the second without.
#[derive(Default)]
pub(crate) struct Summary {
    calls: [Tally; 2],
    faults: [Aftermath; FAULTS.len()],
}

/// What came of a fault until the next.
#[derive(Default)]
struct Aftermath {
    calls: [Tally; 2],
    /// From the start of the fault.
    tripped_after: Option<Duration>,
    /// From its end.
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

    fn last_fault(&mut self, at: Duration) -> Option<(Fault, &mut Aftermath)> {
        let last = FAULTS.iter().rposition(|fault| fault.from <= at)?;
        Some((FAULTS[last], &mut self.faults[last]))
    }

    pub(crate) fn text(&self, wasted: [u64; 2]) -> String {
        let row = |what: &str, [with, without]: [String; 2]| format!("\n{what:38}{with:>12}{without:>17}");
        let counts = |count: fn(&Tally) -> usize| self.calls.each_ref().map(|calls| count(calls).to_string());
        let percent = |calls: &Tally| format!("{:.1} %", 100.0 * calls.errors() as f64 / calls.requests() as f64);
        let mut text = [
            row("", ["with breaker", "without breaker"].map(Into::into)),
            row("requests", counts(Tally::requests)),
            row("good answers of the primary", counts(|calls| calls.answers[0])),
            row("good answers of the backup", counts(|calls| calls.answers[1])),
            row("errors that users saw", counts(Tally::errors)),
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
            let what = format!("{:8}{:>16}{:>14}", fault.condition, times[0], times[1]);
            text += &row(&what, after.calls.each_ref().map(|calls| calls.errors().to_string()));
        }
        text + "\n(tripped: from the start of the fault; closed again: from its end)"
    }

    /// Whether the breaker was of use.
    pub(crate) fn verdict(&self, state: State) -> Result<(), String> {
        let [with, without] = self.calls.each_ref().map(Tally::errors);
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
