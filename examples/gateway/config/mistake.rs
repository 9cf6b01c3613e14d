//! Mistakes in a configuration, with their places.

use std::{error::Error, fmt, ops::Range, path::Path};

/// One mistake, and its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Counted from 1, like the column.
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The field's path, such as `services.search.backup`; empty if the message names it.
    pub(crate) field: String,
    pub(crate) message: String,
}

/// One or more mistakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistakes(pub(crate) Vec<Mistake>);

impl Mistake {
    pub(crate) fn at(span: Range<usize>, text: &str, field: impl Into<String>, message: impl Into<String>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            field: field.into(),
            message: message.into(),
        }
    }
}

impl Mistakes {
    /// Creates a mistake without a place of its own.
    pub(crate) fn without_place(message: &str) -> Self {
        Self(vec![Mistake::at(0..0, "", "", message)])
    }

    /// Formats a line for each mistake: `gateway.toml:7:11: services.search.backup: …`.
    pub(crate) fn in_file(&self, file: &Path) -> String {
        let line = |mistake: &Mistake| format!("{}:{mistake}", file.display());
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            field,
            message,
        } = self;
        let colon = if field.is_empty() { "" } else { ": " };
        write!(f, "{line}:{column}: {field}{colon}{message}")
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Mistake::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Error for Mistakes {}
