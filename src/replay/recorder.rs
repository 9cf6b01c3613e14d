use std::{
    fmt,
    io::{self, BufWriter, Write},
    sync::{Arc, Mutex, MutexGuard},
};

use super::trace::{csv, json, row::Row};
use crate::{
    lock::lock,
    observe::{CallRecord, Evaluation, Event, Observer},
};

/// Records a [`Trace`](super::Trace) from a live breaker: an [`Observer`].
///
/// A row is written when its call ends, so calls that are still in flight when the recording ends have none. The key is the
/// breaker's name: several breakers may share a recorder, and a clone of it tells how it is doing. A writer that fails harms no call:
/// the row is lost, and counted.
///
/// A breaker that is recorded takes a lock at each call, and rounds the moment at which a call is slow a little differently (by 1/16 of `slow_after` at
/// most, either way), so it needn't trip at the same call as it would have unrecorded. A replay trips where the recorded one did.
///
/// For a trace to choose parameters by, record in [shadow mode](crate::Breaker::shadow), or with no outage in the way of the calls:
/// what would have become of a refused call, nobody knows.
///
/// ```
/// use tower_breaker::{CircuitBreakerLayer, Outcome, replay::{Recorder, Trace}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let file = std::env::temp_dir().join(format!("tower-breaker-doc-{}.csv", std::process::id()));
/// let recorder = Recorder::csv(std::fs::File::create(&file)?);
/// let layer = CircuitBreakerLayer::builder().name("payments").observer(recorder.clone()).build()?;
///
/// layer.breaker().try_acquire()?.record(Outcome::Success);
/// recorder.flush()?;
///
/// let trace = Trace::read_csv(std::fs::File::open(&file)?)?;
/// assert_eq!(trace.calls().len(), 1);
/// # std::fs::remove_file(&file)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Recorder {
    sink: Arc<Mutex<Sink>>,
}

struct Sink {
    writer: BufWriter<Box<dyn Write + Send>>,
    format: Format,
    row: Vec<u8>,
    written: u64,
    lost: u64,
    /// What the writer last said.
    error: Option<io::Error>,
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    JsonLines,
}

const BUFFER: usize = 1 << 16;

impl Recorder {
    /// Writes CSV, with a header.
    pub fn csv(to: impl Write + Send + 'static) -> Self {
        let recorder = Self::new(to, Format::Csv);
        let mut sink = recorder.lock();
        let mut header = Vec::new();
        csv::write_header(&mut header);
        let written = sink.writer.write_all(&header);
        sink.error = written.err();
        drop(sink);
        recorder
    }

    /// Writes JSON lines.
    pub fn json_lines(to: impl Write + Send + 'static) -> Self {
        Self::new(to, Format::JsonLines)
    }

    /// Writes what has been buffered. It happens by itself where 64 KiB have gathered, and at the end of the last clone.
    ///
    /// # Errors
    ///
    /// What the writer says, or said when last it failed.
    pub fn flush(&self) -> io::Result<()> {
        let mut sink = self.lock();
        sink.writer.flush()?;
        sink.error.take().map_or(Ok(()), Err)
    }

    /// Rows written so far, what is buffered included.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.lock().written
    }

    /// Rows that were lost because the writer failed.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lock().lost
    }

    fn new(to: impl Write + Send + 'static, format: Format) -> Self {
        Self {
            sink: Arc::new(Mutex::new(Sink {
                writer: BufWriter::with_capacity(BUFFER, Box::new(to)),
                format,
                row: Vec::new(),
                written: 0,
                lost: 0,
                error: None,
            })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sink> {
        lock(&self.sink)
    }
}

impl Sink {
    fn write(&mut self, row: &Row) {
        self.row.clear();
        match self.format {
            Format::Csv => csv::write_row(&mut self.row, row),
            Format::JsonLines => json::write_row(&mut self.row, row),
        }
        // Lost until the writer is known to have it whole: it may panic.
        self.lost += 1;
        match self.writer.write_all(&self.row) {
            Ok(()) => {
                self.lost -= 1;
                self.written += 1;
            }
            Err(error) => self.error = Some(error),
        }
    }
}

impl Observer for Recorder {
    fn on_event(&self, _: &Event) {}

    fn observes_calls(&self) -> bool {
        true
    }

    fn on_call(&self, call: &CallRecord) {
        let row = Row::of_call(call);
        self.lock().write(&row);
    }

    fn on_evaluation(&self, look: &Evaluation) {
        let row = Row::of_evaluation(look);
        self.lock().write(&row);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sink = self.lock();
        f.debug_struct("Recorder")
            .field("written", &sink.written)
            .field("lost", &sink.lost)
            .field("error", &sink.error)
            .finish_non_exhaustive()
    }
}
