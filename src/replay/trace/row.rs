use super::{super::error::TraceError, seconds};
use crate::machine::Outcome;
use crate::observe::{CallRecord, Completion, Evaluation, Stamp};

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::replay) struct Row {
    pub(in crate::replay) time: u64,
    pub(in crate::replay) key: String,
    pub(in crate::replay) what: What,
    pub(in crate::replay) latency: u64,
    pub(in crate::replay) waited: Option<u64>,
    pub(in crate::replay) lasted: Option<u64>,
    /// Its places in the breaker's order, where the breaker's recorder wrote them.
    pub(in crate::replay) steps: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) enum What {
    Call(Completion),
    /// The breaker looked, and found something.
    Looked,
}

/// A row's fields, each as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::replay) struct Fields<T> {
    pub(in crate::replay) time: T,
    pub(in crate::replay) key: T,
    pub(in crate::replay) outcome: T,
    pub(in crate::replay) latency: T,
    pub(in crate::replay) waited: T,
    pub(in crate::replay) lasted: T,
    pub(in crate::replay) steps: T,
}

/// The fields' names, in the order in which they are written.
pub(in crate::replay) const NAMES: [&str; 7] = ["time", "key", "outcome", "latency", "waited", "lasted", "steps"];

const OUTCOMES: [(&str, What); 7] = [
    ("success", What::Call(Completion::Finished(Outcome::Success))),
    ("failure", What::Call(Completion::Finished(Outcome::Failure))),
    ("ignored", What::Call(Completion::Finished(Outcome::Ignored))),
    ("cancelled", What::Call(Completion::Cancelled)),
    ("refused", What::Call(Completion::Refused)),
    ("unused", What::Call(Completion::Unused)),
    ("looked", What::Looked),
];
const ACCEPTED_OUTCOMES: &str = "success, failure, ignored, cancelled or refused";
const ACCEPTED_STEPS: &str = "whole numbers from 1, never falling, with a dash between, such as 17-23";

impl<T> Fields<T> {
    /// In the order of [`NAMES`].
    pub(in crate::replay) fn in_order(self) -> [T; 7] {
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

    pub(in crate::replay) fn from_order(fields: [T; 7]) -> Self {
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
    /// # Errors
    ///
    /// The first field that is missing, or isn't what its name says.
    pub(in crate::replay) fn parse(fields: &Fields<Option<&str>>) -> Result<Self, TraceError> {
        let seconds = |field, text: Option<&str>| match text.and_then(seconds::parse) {
            Some(nanos) => Ok(nanos),
            None => Err(TraceError::field(field, text, seconds::ACCEPTED)),
        };
        let optional = |field, text: Option<&str>| text.map(|text| seconds(field, Some(text))).transpose();

        let time = seconds("time", fields.time)?;
        let known = OUTCOMES.iter().find(|(name, _)| Some(*name) == fields.outcome);
        let Some((_, what)) = known else {
            return Err(TraceError::field("outcome", fields.outcome, ACCEPTED_OUTCOMES));
        };
        let latency = match what {
            // It says nothing of the primary.
            What::Call(Completion::Refused) | What::Looked => {
                optional("latency", fields.latency)?.and(None).unwrap_or(0)
            }
            What::Call(_) => seconds("latency", fields.latency)?,
        };
        let (waited, lasted) = (optional("waited", fields.waited)?, optional("lasted", fields.lasted)?);
        if time
            .checked_add(latency)
            .and_then(|end| end.checked_add(lasted.unwrap_or(0)))
            .is_none()
        {
            return Err(TraceError::field(
                "latency",
                fields.latency,
                "an end before 18446744073 s",
            ));
        }
        if waited.is_some_and(|waited| waited > time) {
            return Err(TraceError::field("waited", fields.waited, "at most `time`"));
        }
        let row = Self {
            time,
            key: fields.key.unwrap_or_default().to_owned(),
            what: *what,
            latency,
            waited,
            lasted,
            steps: Vec::new(),
        };
        let steps = match fields.steps {
            Some(text) => row
                .parse_steps(text)
                .ok_or_else(|| TraceError::field("steps", Some(text), ACCEPTED_STEPS))?,
            None => Vec::new(),
        };
        Ok(Self { steps, ..row })
    }

    fn parse_steps(&self, text: &str) -> Option<Vec<u64>> {
        let steps: Vec<u64> = text.split('-').map(|step| step.parse().ok()).collect::<Option<_>>()?;
        let expected = match self.what {
            What::Looked | What::Call(Completion::Refused) => 1,
            What::Call(_) => 2 + usize::from(self.waited.is_some()) + usize::from(self.lasted.is_some()),
        };
        // A failed readiness is let through and over in one step.
        (steps.len() == expected && steps[0] > 0 && steps.is_sorted()).then_some(steps)
    }

    pub(in crate::replay) fn of_call(call: &CallRecord) -> Self {
        let start = call.started.unwrap_or(call.admitted);
        let started = call.started.filter(|started| *started != call.admitted);
        let moments: Vec<Stamp> = match call.completion {
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
            what: What::Call(call.completion),
            latency: nanos(start, call.answered.unwrap_or(call.ended)),
            waited: started.map(|started| nanos(call.admitted, started)),
            lasted: call.answered.map(|answered| nanos(answered, call.ended)),
            steps: moments.into_iter().map(|moment| moment.step).collect(),
        }
    }

    pub(in crate::replay) fn of_evaluation(look: &Evaluation) -> Self {
        Self {
            time: look.stamp.at.as_nanos(),
            key: look.breaker.as_ref().to_owned(),
            what: What::Looked,
            latency: 0,
            waited: None,
            lasted: None,
            steps: vec![look.stamp.step],
        }
    }

    pub(in crate::replay) fn write(&self) -> Fields<String> {
        let optional = |nanos: Option<u64>| nanos.map(seconds::text).unwrap_or_default();
        let name = OUTCOMES.iter().find(|(_, what)| *what == self.what);
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
