//! Reads and writes traces as CSV.

use std::io::Read;

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim, WriterBuilder};

use super::{
    error::{TraceError, quoted},
    lines::LineReader,
    row::{Fields, NAMES, Row},
};

const ACCEPTED_HEADER: &str = "a header that names time, outcome and latency, and key where there is one, in any order";
const ACCEPTED_LINE: &str = "a line with a field for each column of the header";

/// Passes each row to `on_row`. Returns whether the last line was cut short, and left out.
///
/// # Errors
///
/// Returns the first error in a line, and the first that `on_row` returns.
pub(crate) fn read(from: impl Read, mut on_row: impl FnMut(Row) -> Result<(), TraceError>) -> Result<bool, TraceError> {
    let from = LineReader::new(from);
    let lines = from.line_counter();
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(from);
    let header = reader.headers().map_err(to_trace_error).and_then(Columns::from_header);
    let columns = header.map_err(|error| error.at_line(1))?;
    let mut record = StringRecord::new();
    let error = loop {
        let row = match reader.read_record(&mut record) {
            Ok(false) => return Ok(false),
            Ok(true) => columns.row(&record),
            Err(error) => Err(to_trace_error(error)),
        };
        if let Err(error) = row.and_then(&mut on_row) {
            break error;
        }
    };
    let line_breaks = record.iter().flat_map(str::bytes).filter(|byte| *byte == b'\n').count();
    let line = lines
        .line_before(reader.position().byte())
        .saturating_sub(line_breaks as u64);
    // A writer that was stopped in the middle of its last line leaves a line with no end.
    let is_last = !error.is_io() && matches!(reader.read_record(&mut record), Ok(false));
    if is_last && lines.ends_within_line() {
        Ok(true)
    } else {
        Err(error.at_line(line))
    }
}

/// A mapping of fields to columns, as the header names them.
struct Columns {
    /// The index of each field's column, in the order of [`NAMES`].
    indices: [Option<usize>; NAMES.len()],
    /// The number of columns, unknown ones included.
    count: usize,
}

impl Columns {
    fn from_header(header: &StringRecord) -> Result<Self, TraceError> {
        if header.is_empty() {
            return Err(TraceError::in_line("the trace is empty", ACCEPTED_HEADER));
        }
        let mut indices = [None; NAMES.len()];
        for (column_index, name) in indices.iter_mut().zip(NAMES) {
            let mut named = header
                .iter()
                .enumerate()
                .filter(|(_, column)| column.eq_ignore_ascii_case(name));
            *column_index = named.next().map(|(index, _)| index);
            if named.next().is_some() {
                return Err(TraceError::in_line(
                    format!("the header names `{name}` twice"),
                    ACCEPTED_HEADER,
                ));
            }
        }
        let missing = |name: &&&str| {
            let index = NAMES.iter().position(|known| known == *name);
            index.is_none_or(|index| indices[index].is_none())
        };
        if let Some(missing) = ["time", "outcome", "latency"].iter().find(missing) {
            let found = header.iter().collect::<Vec<_>>().join(",");
            return Err(TraceError::in_line(
                format!("no column `{missing}` in the header {}", quoted(&found)),
                ACCEPTED_HEADER,
            ));
        }
        Ok(Self {
            indices,
            count: header.len(),
        })
    }

    fn row(&self, record: &StringRecord) -> Result<Row, TraceError> {
        if record.len() != self.count {
            let problem = format!("{} fields where the header has {}", record.len(), self.count);
            return Err(TraceError::in_line(problem, ACCEPTED_LINE));
        }
        let field = |index: Option<usize>| {
            index
                .and_then(|index| record.get(index))
                .filter(|text| !text.is_empty())
        };
        let fields = Fields::from_order(self.indices.map(field));
        Row::parse(&fields)
    }
}

fn to_trace_error(error: csv::Error) -> TraceError {
    let problem = error.to_string();
    match error.into_kind() {
        ErrorKind::Io(error) => TraceError::io(error),
        ErrorKind::Utf8 { .. } => TraceError::in_line("the line is not UTF-8", "UTF-8"),
        _ => TraceError::in_line(problem, ACCEPTED_LINE),
    }
}

/// Writes the header.
pub(crate) fn write_header(to: &mut Vec<u8>) {
    write_record(to, NAMES);
}

/// Writes one row.
pub(crate) fn write_row(to: &mut Vec<u8>, row: &Row) {
    write_record(to, row.to_fields().in_order());
}

fn write_record<T: AsRef<[u8]>>(to: &mut Vec<u8>, fields: [T; 7]) {
    let mut writer = WriterBuilder::new().buffer_capacity(256).from_writer(to);
    let written = writer.write_record(fields).map_err(std::io::Error::from);
    written
        .and_then(|()| writer.flush())
        .expect("a `Vec` takes all that is written");
}
