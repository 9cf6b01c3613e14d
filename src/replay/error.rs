use std::{error::Error, fmt, io};

/// A trace that can't be read: on which line, which field, its value, and what would be accepted.
#[derive(Debug)]
pub struct TraceError {
    line: u64,
    mistake: Mistake,
}

#[derive(Debug)]
enum Mistake {
    Io(io::Error),
    Field {
        field: &'static str,
        value: Option<String>,
        accepted: &'static str,
    },
    Line {
        problem: String,
        accepted: &'static str,
    },
}

/// What is shown of a long value.
const SHOWN: usize = 40;

impl TraceError {
    pub(super) fn io(error: io::Error) -> Self {
        Self {
            line: 0,
            mistake: Mistake::Io(error),
        }
    }

    pub(super) fn field(field: &'static str, value: Option<&str>, accepted: &'static str) -> Self {
        Self {
            line: 0,
            mistake: Mistake::Field {
                field,
                value: value.map(shown),
                accepted,
            },
        }
    }

    pub(super) fn of_line(problem: impl Into<String>, accepted: &'static str) -> Self {
        Self {
            line: 0,
            mistake: Mistake::Line {
                problem: problem.into(),
                accepted,
            },
        }
    }

    pub(super) fn on(self, line: u64) -> Self {
        Self { line, ..self }
    }

    /// The line that it is on, from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The field, where it is one field's mistake.
    #[must_use]
    pub fn field_name(&self) -> Option<&str> {
        match &self.mistake {
            Mistake::Field { field, .. } => Some(field),
            Mistake::Io(_) | Mistake::Line { .. } => None,
        }
    }

    pub(super) fn is_io(&self) -> bool {
        matches!(self.mistake, Mistake::Io(_))
    }
}

/// A value as it is shown in an error, in quotes.
pub(super) fn shown(value: &str) -> String {
    let mut shown: String = value.chars().take(SHOWN).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.mistake {
            Mistake::Io(error) => write!(f, "the trace can't be read: {error}"),
            Mistake::Field {
                field,
                value: Some(value),
                accepted,
            } => write!(f, "`{field}` is {value}; accepted: {accepted}"),
            Mistake::Field {
                field,
                value: None,
                accepted,
            } => write!(f, "`{field}` is missing; accepted: {accepted}"),
            Mistake::Line { problem, accepted } => write!(f, "{problem}; accepted: {accepted}"),
        }
    }
}

impl Error for TraceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.mistake {
            Mistake::Io(error) => Some(error),
            Mistake::Field { .. } | Mistake::Line { .. } => None,
        }
    }
}
