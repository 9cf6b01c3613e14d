//! Reads and writes traces as JSON lines.

use std::{
    borrow::Cow,
    io::{BufRead, BufReader, Read},
    str,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    error::{TraceError, quoted},
    row::{Fields, Row},
};

const ACCEPTED: &str = r#"an object such as {"time":12.25,"outcome":"success","latency":0.031}"#;
/// The length of the longest line that is read, in bytes.
const MAX_LINE: u64 = 1 << 16;

/// A line with its values unparsed: reading a time as an `f64` would round it.
#[derive(Deserialize)]
struct RawRow<'a> {
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    outcome: Option<&'a RawValue>,
    #[serde(borrow)]
    latency: Option<&'a RawValue>,
    #[serde(borrow)]
    waited: Option<&'a RawValue>,
    #[serde(borrow)]
    lasted: Option<&'a RawValue>,
    #[serde(borrow)]
    steps: Option<&'a RawValue>,
}

/// Passes each row to `on_row`. Returns whether the last line was cut short, and left out.
///
/// # Errors
///
/// Returns the first error in a line, and the first that `on_row` returns.
pub(crate) fn read(from: impl Read, mut on_row: impl FnMut(Row) -> Result<(), TraceError>) -> Result<bool, TraceError> {
    let mut reader = BufReader::new(from);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut text);
        read.map_err(|error| TraceError::io(error).at_line(line))?;
        let is_whole = text.ends_with(b"\n");
        if text.is_empty() {
            if line == 1 {
                return Err(TraceError::in_line("the trace is empty", ACCEPTED).at_line(1));
            }
            return Ok(false);
        }
        if !is_whole && text.len() as u64 == MAX_LINE {
            let problem = format!("the line is longer than {MAX_LINE} bytes");
            return Err(TraceError::in_line(problem, ACCEPTED).at_line(line));
        }
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match parse_line(text) {
            Ok(row) => on_row(row).map_err(|error| error.at_line(line))?,
            Err(_) if !is_whole => return Ok(true),
            Err(error) => return Err(error.at_line(line)),
        }
    }
    Ok(false)
}

/// Parses one line that isn't empty.
fn parse_line(text: &[u8]) -> Result<Row, TraceError> {
    let Ok(text) = str::from_utf8(text) else {
        return Err(TraceError::in_line("the line is not UTF-8", "UTF-8"));
    };
    let parsed: RawRow<'_> = serde_json::from_str(text)
        .map_err(|error| TraceError::in_line(format!("{} is no such object: {error}", quoted(text)), ACCEPTED))?;
    let RawRow {
        time,
        key,
        outcome,
        latency,
        waited,
        lasted,
        steps,
    } = parsed;
    let fields = [time, key, outcome, latency, waited, lasted, steps].map(text_of);
    let fields = fields
        .each_ref()
        .map(|text| text.as_deref().filter(|text| !text.is_empty()));
    Row::parse(&Fields::from_order(fields))
}

/// Returns the text of a value: a string without its quotes, anything else as it is written.
fn text_of(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let text = value?.get();
    match serde_json::from_str::<String>(text) {
        Ok(string) => Some(string.into()),
        Err(_) => Some(text.into()),
    }
}

/// A line as it is written.
#[derive(Serialize)]
struct WrittenRow {
    time: Box<RawValue>,
    key: String,
    outcome: String,
    latency: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lasted: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    steps: String,
}

/// Writes one row.
pub(crate) fn write_row(to: &mut Vec<u8>, row: &Row) {
    let number = |text: String| RawValue::from_string(text).expect("seconds are a JSON number");
    let optional = |text: String| Some(text).filter(|text| !text.is_empty()).map(number);
    let fields = row.to_fields();
    let written = WrittenRow {
        time: number(fields.time),
        key: fields.key,
        outcome: fields.outcome,
        latency: number(fields.latency),
        waited: optional(fields.waited),
        lasted: optional(fields.lasted),
        steps: fields.steps,
    };
    serde_json::to_writer(&mut *to, &written).expect("a `Vec` takes all that is written");
    to.push(b'\n');
}
