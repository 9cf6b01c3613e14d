use std::io::Read;

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim, WriterBuilder};

use super::{
    super::error::{TraceError, shown},
    lines::LineReader,
    row::{Fields, NAMES, Row},
};

const ACCEPTED_HEADER: &str = "a header that names time, outcome and latency, and key where there is one, in any order";
const ACCEPTED_LINE: &str = "a line with a field for each column of the header";

/// Hands each row to `take`; whether the last line was cut short, and left out.
pub(in crate::replay) fn read(
    from: impl Read,
    mut take: impl FnMut(Row) -> Result<(), TraceError>,
) -> Result<bool, TraceError> {
    let from = LineReader::new(from);
    let lines = from.lines();
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(from);
    let header = reader.headers().map_err(of_csv).and_then(Columns::of);
    let columns = header.map_err(|error| error.on(1))?;
    let mut record = StringRecord::new();
    let mistake = loop {
        let row = match reader.read_record(&mut record) {
            Ok(false) => return Ok(false),
            Ok(true) => columns.row(&record),
            Err(error) => Err(of_csv(error)),
        };
        if let Err(mistake) = row.and_then(&mut take) {
            break mistake;
        }
    };
    let breaks = record.iter().flat_map(str::bytes).filter(|byte| *byte == b'\n').count();
    let line = lines
        .line_before(reader.position().byte())
        .saturating_sub(breaks as u64);
    // Whoever wrote it was stopped in the middle of a line.
    let is_last = !mistake.is_io() && matches!(reader.read_record(&mut record), Ok(false));
    if is_last && lines.ends_within_one() {
        Ok(true)
    } else {
        Err(mistake.on(line))
    }
}

/// In which column each field stands.
struct Columns {
    places: [Option<usize>; NAMES.len()],
    count: usize,
}

impl Columns {
    fn of(header: &StringRecord) -> Result<Self, TraceError> {
        if header.is_empty() {
            return Err(TraceError::of_line("the trace is empty", ACCEPTED_HEADER));
        }
        let mut places = [None; NAMES.len()];
        for (place, name) in places.iter_mut().zip(NAMES) {
            let mut named = header
                .iter()
                .enumerate()
                .filter(|(_, column)| column.eq_ignore_ascii_case(name));
            *place = named.next().map(|(index, _)| index);
            if named.next().is_some() {
                return Err(TraceError::of_line(
                    format!("the header names `{name}` twice"),
                    ACCEPTED_HEADER,
                ));
            }
        }
        let missing = |name: &&&str| {
            let index = NAMES.iter().position(|known| known == *name);
            index.is_none_or(|index| places[index].is_none())
        };
        if let Some(missing) = ["time", "outcome", "latency"].iter().find(missing) {
            let found = header.iter().collect::<Vec<_>>().join(",");
            return Err(TraceError::of_line(
                format!("no column `{missing}` in the header {}", shown(&found)),
                ACCEPTED_HEADER,
            ));
        }
        Ok(Self {
            places,
            count: header.len(),
        })
    }

    fn row(&self, record: &StringRecord) -> Result<Row, TraceError> {
        if record.len() != self.count {
            let problem = format!("{} fields where the header has {}", record.len(), self.count);
            return Err(TraceError::of_line(problem, ACCEPTED_LINE));
        }
        let field = |place: Option<usize>| {
            place
                .and_then(|place| record.get(place))
                .filter(|text| !text.is_empty())
        };
        let fields = Fields::from_order(self.places.map(field));
        Row::parse(&fields)
    }
}

fn of_csv(error: csv::Error) -> TraceError {
    let problem = error.to_string();
    match error.into_kind() {
        ErrorKind::Io(error) => TraceError::io(error),
        ErrorKind::Utf8 { .. } => TraceError::of_line("the line is not UTF-8", "UTF-8"),
        _ => TraceError::of_line(problem, ACCEPTED_LINE),
    }
}

/// The header.
pub(in crate::replay) fn write_header(to: &mut Vec<u8>) {
    write_record(to, NAMES);
}

pub(in crate::replay) fn write_row(to: &mut Vec<u8>, row: &Row) {
    write_record(to, row.write().in_order());
}

fn write_record<T: AsRef<[u8]>>(to: &mut Vec<u8>, fields: [T; 7]) {
    let mut writer = WriterBuilder::new().buffer_capacity(256).from_writer(to);
    let written = writer.write_record(fields).map_err(std::io::Error::from);
    written
        .and_then(|()| writer.flush())
        .expect("a `Vec` takes all that is written");
}
