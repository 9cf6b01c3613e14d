use std::{
    borrow::Cow,
    io::{BufRead, BufReader, Read},
    str,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    super::error::{TraceError, shown},
    row::{Fields, Row},
};

const ACCEPTED: &str = r#"an object such as {"time":12.25,"outcome":"success","latency":0.031}"#;
/// The longest line, in bytes.
const LONGEST: u64 = 1 << 16;

/// Numbers as they are written: an `f64` would blur them.
#[derive(Deserialize)]
struct Line<'a> {
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

/// Hands each row to `take`; whether the last line was cut short, and left out.
pub(in crate::replay) fn read(
    from: impl Read,
    mut take: impl FnMut(Row) -> Result<(), TraceError>,
) -> Result<bool, TraceError> {
    let mut reader = BufReader::new(from);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut text);
        read.map_err(|error| TraceError::io(error).on(line))?;
        let whole = text.ends_with(b"\n");
        if text.is_empty() {
            if line == 1 {
                return Err(TraceError::of_line("the trace is empty", ACCEPTED).on(1));
            }
            return Ok(false);
        }
        if !whole && text.len() as u64 == LONGEST {
            let problem = format!("the line is longer than {LONGEST} bytes");
            return Err(TraceError::of_line(problem, ACCEPTED).on(line));
        }
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match row(text) {
            Ok(row) => take(row).map_err(|error| error.on(line))?,
            Err(_) if !whole => return Ok(true),
            Err(error) => return Err(error.on(line)),
        }
    }
    Ok(false)
}

fn row(text: &[u8]) -> Result<Row, TraceError> {
    let Ok(text) = str::from_utf8(text) else {
        return Err(TraceError::of_line("the line is not UTF-8", "UTF-8"));
    };
    let parsed: Line<'_> = serde_json::from_str(text)
        .map_err(|error| TraceError::of_line(format!("{} is no such object: {error}", shown(text)), ACCEPTED))?;
    let Line {
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

/// A string without its quotes, or whatever else it is.
fn text_of(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let text = value?.get();
    match serde_json::from_str::<String>(text) {
        Ok(string) => Some(string.into()),
        Err(_) => Some(text.into()),
    }
}

#[derive(Serialize)]
struct Written {
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

pub(in crate::replay) fn write_row(to: &mut Vec<u8>, row: &Row) {
    let number = |text: String| RawValue::from_string(text).expect("seconds are a JSON number");
    let optional = |text: String| Some(text).filter(|text| !text.is_empty()).map(number);
    let fields = row.write();
    let written = Written {
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
