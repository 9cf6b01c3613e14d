//! The error of reading a trace.

use std::{error::Error, fmt, io};

/// An error in a trace: the line, the field, its value, and what would be accepted.
#[derive(Debug)]
pub struct TraceError {
    /// Counted from 1. 0 until [`at_line`](Self::at_line) sets it.
    line: u64,
    kind: TraceErrorKind,
}

#[derive(Debug)]
enum TraceErrorKind {
    Io(io::Error),
    Field {
        field: &'static str,
        /// The value in quotes, or `None` if the field is missing.
        value: Option<String>,
        accepted: &'static str,
    },
    Line {
        problem: String,
        accepted: &'static str,
    },
}

/// The number of characters that an error shows of a long value.
const MAX_QUOTED: usize = 40;

impl TraceError {
    pub(super) fn io(error: io::Error) -> Self {
        Self::new(TraceErrorKind::Io(error))
    }

    /// Makes an error of one field, which has this value or is missing.
    pub(super) fn in_field(field: &'static str, value: Option<&str>, accepted: &'static str) -> Self {
        Self::new(TraceErrorKind::Field {
            field,
            value: value.map(quoted),
            accepted,
        })
    }

    /// Makes an error of a line as a whole.
    pub(super) fn in_line(problem: impl Into<String>, accepted: &'static str) -> Self {
        Self::new(TraceErrorKind::Line {
            problem: problem.into(),
            accepted,
        })
    }

    /// Sets the line, counted from 1.
    pub(super) fn at_line(self, line: u64) -> Self {
        Self { line, ..self }
    }

    /// Returns the line of the error, counted from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Returns the name of the field, or `None` if the error isn't in a single field.
    #[must_use]
    pub fn field_name(&self) -> Option<&str> {
        match &self.kind {
            TraceErrorKind::Field { field, .. } => Some(field),
            TraceErrorKind::Io(_) | TraceErrorKind::Line { .. } => None,
        }
    }

    pub(super) fn is_io(&self) -> bool {
        matches!(self.kind, TraceErrorKind::Io(_))
    }

    fn new(kind: TraceErrorKind) -> Self {
        Self { line: 0, kind }
    }
}

/// Returns the first characters of a value in quotes, as an error shows it.
pub(super) fn quoted(value: &str) -> String {
    let mut quoted: String = value.chars().take(MAX_QUOTED).collect();
    if quoted.len() < value.len() {
        quoted.push('…');
    }
    format!("{quoted:?}")
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.kind {
            TraceErrorKind::Io(error) => write!(f, "the trace can't be read: {error}"),
            TraceErrorKind::Field {
                field,
                value: Some(value),
                accepted,
            } => write!(f, "`{field}` is {value}; accepted: {accepted}"),
            TraceErrorKind::Field {
                field,
                value: None,
                accepted,
            } => write!(f, "`{field}` is missing; accepted: {accepted}"),
            TraceErrorKind::Line { problem, accepted } => write!(f, "{problem}; accepted: {accepted}"),
        }
    }
}

impl Error for TraceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            TraceErrorKind::Io(error) => Some(error),
            TraceErrorKind::Field { .. } | TraceErrorKind::Line { .. } => None,
        }
    }
}
