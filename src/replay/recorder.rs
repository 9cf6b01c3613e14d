//! The recorder: an observer that writes a trace of a live breaker.
//!
//! Rows are written under a lock of the recorder's own, from the thread whose call ended. An error
//! of the writer loses rows, which are counted, but never reaches the call.

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

/// An [`Observer`] that records a [`Trace`](super::Trace) from a live breaker.
///
/// A row is written when its call ends, so calls that are in flight when the recording stops are
/// missing. The row's key is the breaker's name, so several breakers may share a recorder. If the
/// writer fails, the row is lost and counted; the call isn't affected. Clones share the writer and
/// the counts.
///
/// A recorded breaker takes a lock at each call. It also rounds the time at which a call becomes
/// slow differently, by at most 1/16 of `slow_after` either way. So it may trip at another call
/// than it would have unrecorded. A replay trips where the recorded breaker did.
///
/// To choose parameters by a trace, record in [shadow mode](crate::Breaker::shadow), or while the
/// breaker stays closed: a trace can't tell what would have become of a refused call.
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
    /// The bytes of the current row, kept to reuse the allocation.
    row: Vec<u8>,
    written: u64,
    lost: u64,
    /// The writer's last error that [`Recorder::flush`] hasn't returned yet.
    error: Option<io::Error>,
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    JsonLines,
}

/// Bytes that are buffered before they are written.
const BUFFER: usize = 1 << 16;

impl Recorder {
    /// Returns a recorder that writes CSV, with a header.
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

    /// Returns a recorder that writes JSON lines.
    pub fn json_lines(to: impl Write + Send + 'static) -> Self {
        Self::new(to, Format::JsonLines)
    }

    /// Writes the buffered rows.
    ///
    /// The recorder does so by itself when 64 KiB have gathered, and when its last clone is
    /// dropped.
    ///
    /// # Errors
    ///
    /// Returns the writer's error, or else its last error since the previous flush.
    pub fn flush(&self) -> io::Result<()> {
        let mut sink = self.lock();
        sink.writer.flush()?;
        sink.error.take().map_or(Ok(()), Err)
    }

    /// Returns the number of rows written so far, including those that are still buffered.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.lock().written
    }

    /// Returns the number of rows that were lost because the writer failed.
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
        // Counted as lost until the writer has returned, because it may panic.
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

    fn on_evaluation(&self, evaluation: &Evaluation) {
        let row = Row::of_evaluation(evaluation);
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
