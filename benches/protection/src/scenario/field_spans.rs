//! Finds the lines of a scenario's fields, for errors.

use std::{collections::BTreeMap, ops::Range};

use serde::{Deserialize, de::IgnoredAny};
use toml::Spanned;

use super::check::Section;

type Fields = BTreeMap<String, Spanned<IgnoredAny>>;

/// Where each field is in a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FieldSpans {
    name: Option<Spanned<IgnoredAny>>,
    duration: Option<Spanned<IgnoredAny>>,
    arrivals: Option<Spanned<Fields>>,
    service: Option<Spanned<Fields>>,
    client: Option<Spanned<Fields>>,
    backup: Option<Spanned<Fields>>,
    pool: Option<Spanned<Fields>>,
    fault: Vec<Spanned<Fields>>,
}

impl FieldSpans {
    /// Finds a table and a field's value in it. Either is `None` if the file doesn't have it.
    pub(super) fn find(&self, section: Section, field: &str) -> (Option<Range<usize>>, Option<Range<usize>>) {
        let table = match section {
            Section::Top if field == "name" => return (None, self.name.as_ref().map(Spanned::span)),
            Section::Top => return (None, self.duration.as_ref().map(Spanned::span)),
            Section::Table("arrivals") => self.arrivals.as_ref(),
            Section::Table("service") => self.service.as_ref(),
            Section::Table("client") => self.client.as_ref(),
            Section::Table("backup") => self.backup.as_ref(),
            Section::Table(_) => self.pool.as_ref(),
            Section::Fault(index) => self.fault.get(index),
        };
        let value = table.and_then(|table| table.get_ref().get(field)).map(Spanned::span);
        (table.map(Spanned::span), value)
    }
}

/// Returns the line of a position: its number, from one, and its text.
pub(super) fn line(text: &str, position: usize) -> (usize, &str) {
    let before = text.get(..position).unwrap_or(text);
    let number = before.matches('\n').count() + 1;
    (number, text.lines().nth(number - 1).unwrap_or("").trim())
}
