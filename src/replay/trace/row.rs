//! One row of a trace: checks its fields, and makes the rows of a recorder.

use super::{error::TraceError, seconds};
use crate::machine::Outcome;
use crate::observe::{CallRecord, Completion, Evaluation, Stamp};

/// A row of a trace. Times are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) time: u64,
    pub(crate) key: String,
    pub(crate) kind: RowKind,
    pub(crate) latency: u64,
    pub(crate) waited: Option<u64>,
    pub(crate) lasted: Option<u64>,
    /// The row's positions in the recorded breaker's order. Empty if a recorder didn't write it.
    pub(crate) steps: Vec<u64>,
}

/// A kind of row, by its `outcome` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// A call that ended like this.
    Call(Completion),
    /// An evaluation between calls that changed something.
    Evaluation,
}

/// A row as fields of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields<T> {
    pub(crate) time: T,
    pub(crate) key: T,
    pub(crate) outcome: T,
    pub(crate) latency: T,
    pub(crate) waited: T,
    pub(crate) lasted: T,
    pub(crate) steps: T,
}

/// The names of the fields, in the order in which they are written.
pub(crate) const NAMES: [&str; 7] = ["time", "key", "outcome", "latency", "waited", "lasted", "steps"];

const OUTCOMES: [(&str, RowKind); 7] = [
    ("success", RowKind::Call(Completion::Finished(Outcome::Success))),
    ("failure", RowKind::Call(Completion::Finished(Outcome::Failure))),
    ("ignored", RowKind::Call(Completion::Finished(Outcome::Ignored))),
    ("cancelled", RowKind::Call(Completion::Cancelled)),
    ("refused", RowKind::Call(Completion::Refused)),
    ("unused", RowKind::Call(Completion::Unused)),
    ("evaluated", RowKind::Evaluation),
];
const ACCEPTED_OUTCOMES: &str = "success, failure, ignored, cancelled or refused";
const ACCEPTED_STEPS: &str = "whole numbers from 1, never falling, with a dash between, such as 17-23";

impl<T> Fields<T> {
    /// Returns the fields in the order of [`NAMES`].
    pub(crate) fn in_order(self) -> [T; 7] {
        [
            self.time,
            self.key,
            self.outcome,
            self.latency,
            self.waited,
            self.lasted,
            self.steps,
        ]
    }

    /// Takes the fields in the order of [`NAMES`].
    pub(crate) fn from_order(fields: [T; 7]) -> Self {
        let [time, key, outcome, latency, waited, lasted, steps] = fields;
        Self {
            time,
            key,
            outcome,
            latency,
            waited,
            lasted,
            steps,
        }
    }
}

impl Row {
    /// Parses the fields of one row.
    ///
    /// # Errors
    ///
    /// Returns an error for the first field that is missing or invalid.
    pub(crate) fn parse(fields: &Fields<Option<&str>>) -> Result<Self, TraceError> {
        let seconds = |field, text: Option<&str>| match text.and_then(seconds::parse) {
            Some(nanos) => Ok(nanos),
            None => Err(TraceError::in_field(field, text, seconds::ACCEPTED)),
        };
        let optional = |field, text: Option<&str>| text.map(|text| seconds(field, Some(text))).transpose();

        let time = seconds("time", fields.time)?;
        let known = OUTCOMES.iter().find(|(name, _)| Some(*name) == fields.outcome);
        let Some((_, kind)) = known else {
            return Err(TraceError::in_field("outcome", fields.outcome, ACCEPTED_OUTCOMES));
        };
        let latency = match kind {
            // A latency is checked, but dropped: it says nothing of the primary.
            RowKind::Call(Completion::Refused) | RowKind::Evaluation => {
                optional("latency", fields.latency)?.and(None).unwrap_or(0)
            }
            RowKind::Call(_) => seconds("latency", fields.latency)?,
        };
        let (waited, lasted) = (optional("waited", fields.waited)?, optional("lasted", fields.lasted)?);
        if time
            .checked_add(latency)
            .and_then(|end| end.checked_add(lasted.unwrap_or(0)))
            .is_none()
        {
            return Err(TraceError::in_field(
                "latency",
                fields.latency,
                "an end before 18446744073 s",
            ));
        }
        if waited.is_some_and(|waited| waited > time) {
            return Err(TraceError::in_field("waited", fields.waited, "at most `time`"));
        }
        let row = Self {
            time,
            key: fields.key.unwrap_or_default().to_owned(),
            kind: *kind,
            latency,
            waited,
            lasted,
            steps: Vec::new(),
        };
        let steps = match fields.steps {
            Some(text) => row
                .parse_steps(text)
                .ok_or_else(|| TraceError::in_field("steps", Some(text), ACCEPTED_STEPS))?,
            None => Vec::new(),
        };
        Ok(Self { steps, ..row })
    }

    /// Parses the steps. Returns `None` if they don't fit the rest of the row.
    fn parse_steps(&self, text: &str) -> Option<Vec<u64>> {
        let steps: Vec<u64> = text.split('-').map(|step| step.parse().ok()).collect::<Option<_>>()?;
        let expected = match self.kind {
            RowKind::Evaluation | RowKind::Call(Completion::Refused) => 1,
            RowKind::Call(_) => 2 + usize::from(self.waited.is_some()) + usize::from(self.lasted.is_some()),
        };
        // Steps may be equal: a failed readiness is admitted and ends in one step.
        (steps.len() == expected && steps[0] > 0 && steps.is_sorted()).then_some(steps)
    }

    /// Makes the row of a recorded call.
    pub(crate) fn of_call(call: &CallRecord) -> Self {
        let start = call.started.unwrap_or(call.admitted);
        let started = call.started.filter(|started| *started != call.admitted);
        let stamps: Vec<Stamp> = match call.completion {
            Completion::Refused => vec![call.admitted],
            _ => [Some(call.admitted), started, call.answered, Some(call.ended)]
                .into_iter()
                .flatten()
                .collect(),
        };
        let nanos = |from: Stamp, to: Stamp| to.at.as_nanos().saturating_sub(from.at.as_nanos());
        Self {
            time: start.at.as_nanos(),
            key: call.breaker.as_ref().to_owned(),
            kind: RowKind::Call(call.completion),
            latency: nanos(start, call.answered.unwrap_or(call.ended)),
            waited: started.map(|started| nanos(call.admitted, started)),
            lasted: call.answered.map(|answered| nanos(answered, call.ended)),
            steps: stamps.into_iter().map(|stamp| stamp.step).collect(),
        }
    }

    /// Makes the row of a recorded evaluation.
    pub(crate) fn of_evaluation(evaluation: &Evaluation) -> Self {
        Self {
            time: evaluation.stamp.at.as_nanos(),
            key: evaluation.breaker.as_ref().to_owned(),
            kind: RowKind::Evaluation,
            latency: 0,
            waited: None,
            lasted: None,
            steps: vec![evaluation.stamp.step],
        }
    }

    /// Returns the fields as they are written. Missing ones are empty.
    pub(crate) fn to_fields(&self) -> Fields<String> {
        let optional = |nanos: Option<u64>| nanos.map(seconds::text).unwrap_or_default();
        let name = OUTCOMES.iter().find(|(_, kind)| *kind == self.kind);
        let steps: Vec<String> = self.steps.iter().map(u64::to_string).collect();
        Fields {
            time: seconds::text(self.time),
            key: self.key.clone(),
            outcome: name.map(|(name, _)| (*name).to_owned()).unwrap_or_default(),
            latency: seconds::text(self.latency),
            waited: optional(self.waited),
            lasted: optional(self.lasted),
            steps: steps.join("-"),
        }
    }
}
