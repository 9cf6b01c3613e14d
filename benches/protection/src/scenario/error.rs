//! Errors of a scenario's file.

use std::fmt;

use super::{
    check::{Mistake, Section},
    field_spans::{FieldSpans, line},
};

/// The error of a scenario's file, in one line: the file, the line, the field.
#[derive(Debug)]
pub struct ScenarioError(String);

impl ScenarioError {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScenarioError {}

/// Describes a file that is no TOML, or not that of a scenario.
pub(super) fn unreadable(text: &str, file: &str, error: &toml::de::Error) -> ScenarioError {
    let message = error.message().lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let place = error.span().map(|span| line(text, span.start));
    ScenarioError(match place {
        Some((number, line)) if !line.is_empty() => format!("{file}:{number}: {message}, in `{line}`"),
        Some((number, _)) => format!("{file}:{number}: {message}"),
        None => format!("{file}: {message}"),
    })
}

/// Describes a field whose value can't be run.
pub(super) fn senseless(text: &str, file: &str, mistake: Mistake) -> ScenarioError {
    let Mistake {
        section,
        field,
        accepted,
    } = mistake;
    let field_name = match section {
        Section::Top => field.to_owned(),
        Section::Table(table) => format!("{table}.{field}"),
        Section::Fault(_) => format!("fault.{field}"),
    };
    // It was parsed before.
    let places: FieldSpans = toml::from_str(text).unwrap_or_default();
    let (table, value) = places.find(section, field);
    let is = match value.clone().and_then(|span| text.get(span)) {
        Some(value) => format!("is {}", value.split_whitespace().collect::<Vec<_>>().join(" ")),
        None => "is not there".to_owned(),
    };
    let number = value.or(table).map_or(1, |span| line(text, span.start).0);
    ScenarioError(format!("{file}:{number}: {field_name} {is}, and should be {accepted}"))
}
