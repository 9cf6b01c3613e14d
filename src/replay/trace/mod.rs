//! Traces: reads CSV and JSON lines into calls in order of their starts.
//!
//! `csv` and `json` split lines into fields, `row` checks the fields of one line, and [`Trace`]
//! collects the rows. The recorder writes rows through the same modules, so what it writes reads
//! back the same.

use std::{collections::HashMap, fmt, io::Read, sync::Arc, time::Duration};

mod call;
pub(crate) mod csv;
mod error;
pub(crate) mod json;
mod latencies;
mod lines;
pub(crate) mod row;
pub(crate) mod seconds;

pub(crate) use self::latencies::MIN_SUCCESSES;
pub use self::{call::Call, error::TraceError, latencies::Latencies};
use self::{
    call::{EvaluationRow, ExtraPhase, ExtraPhases},
    row::{Row, RowKind},
};
use crate::observe::Completion;

/// A list of calls in order of their starts: the key, start, latency and ending of each.
///
/// It is read from CSV with a header, or from JSON lines with the same names:
///
/// ```text
/// time,key,outcome,latency
/// 0.010532,payments,success,0.031207
/// 0.020711,payments,failure,0.005012
/// ```
///
/// - `time`: the call's start, in seconds since any moment, such as the start of the recording or
///   1970. Exact to the nanosecond.
/// - `outcome`: `success`, `failure`, `ignored` (it says nothing of the primary), `cancelled` (the
///   caller gave up), or `refused` (a breaker kept it from the primary, so what would have become
///   of it is unknown).
/// - `latency`: how long the answer took, or how long the caller waited before it gave up; in
///   seconds. A refused call needs none.
/// - `key`, optional: what a breaker per key tells calls apart by.
///
/// Columns may come in any order, and unknown ones are ignored. Rows may come in any order too: a
/// call's row is often written when it ends. Rows with the same time keep their order. A last line
/// that was cut short is left out.
///
/// A [`Recorder`](super::Recorder) writes a few more columns, from which a replay is exact:
///
/// - `waited`: how long a half-open call waited for the primary's readiness before it started.
/// - `lasted`: how long a call went on after its answer was in.
/// - `steps`: the call's positions in the order in which the breaker saw everything.
///
/// It also writes two more outcomes: `unused` for a call that was admitted but never made, and
/// `evaluated` where the breaker re-evaluated its state between calls and something changed.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// In order of their starts.
    pub(crate) calls: Vec<Call>,
    pub(crate) evaluations: Vec<EvaluationRow>,
    pub(crate) keys: Vec<Arc<str>>,
    /// How long healthy callers wait at most: 1.5 times the p99 of successful calls, or `None` if
    /// there are fewer than 100. A cancelled call that took longer is bad.
    pub(crate) patience: Option<Duration>,
    unsorted: u64,
    cut_short: bool,
}

impl Trace {
    /// Reads CSV with a header.
    ///
    /// Each row is read once and kept in some 60 bytes. A `&mut` reader works too.
    ///
    /// # Errors
    ///
    /// Returns the error of the first line that can't be read.
    pub fn read_csv(from: impl Read) -> Result<Self, TraceError> {
        Self::collect(|on_row| csv::read(from, on_row))
    }

    /// Reads JSON lines.
    ///
    /// # Errors
    ///
    /// Returns the error of the first line that can't be read.
    pub fn read_json_lines(from: impl Read) -> Result<Self, TraceError> {
        Self::collect(|on_row| json::read(from, on_row))
    }

    /// Returns the calls, in order of their starts.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Returns the key of one of the trace's calls, or "" if the trace has no keys.
    #[must_use]
    pub fn key_of(&self, call: &Call) -> &str {
        self.keys.get(call.key as usize).map_or("", |key| key)
    }

    /// Returns the keys, in the order in which they were first read.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| &**key)
    }

    /// Returns the latencies of the successful calls.
    #[must_use]
    pub fn latencies(&self) -> Latencies {
        let is_success = |call: &&Call| call.completion == Completion::SUCCESS;
        Latencies::of(self.calls.iter().filter(is_success).map(Call::latency))
    }

    /// Returns the time from the first call's start to the last call's start.
    #[must_use]
    pub fn span(&self) -> Duration {
        match (self.calls.first(), self.calls.last()) {
            (Some(first), Some(last)) => last.start().since(first.start()),
            _ => Duration::ZERO,
        }
    }

    /// Returns how many rows came after a row with a later time, and so had to be sorted.
    ///
    /// Rows that are written when calls end come in that order.
    #[must_use]
    pub fn unsorted(&self) -> u64 {
        self.unsorted
    }

    /// Returns whether the last line was cut short, and therefore left out.
    #[must_use]
    pub fn was_cut_short(&self) -> bool {
        self.cut_short
    }

    /// Collects the rows that `read` passes to its argument, and sorts them.
    fn collect(
        read: impl FnOnce(&mut dyn FnMut(Row) -> Result<(), TraceError>) -> Result<bool, TraceError>,
    ) -> Result<Self, TraceError> {
        let mut trace = Self::default();
        let mut known_keys = HashMap::new();
        let mut latest = 0;
        trace.cut_short = read(&mut |row| {
            trace.unsorted += u64::from(row.time < latest);
            latest = latest.max(row.time);
            trace
                .add(row, &mut known_keys)
                .ok_or_else(|| TraceError::in_line("the trace is too long", "up to 4294967295 rows"))
        })?;
        trace.calls.sort_by_key(|call| call.start);
        let latencies = trace.latencies();
        trace.patience = (latencies.calls() >= MIN_SUCCESSES).then(|| latencies.quantile(0.99).mul_f64(1.5));
        Ok(trace)
    }

    /// Adds a row. Returns `None` if row numbers have run out.
    fn add(&mut self, row: Row, known_keys: &mut HashMap<Arc<str>, u32>) -> Option<()> {
        let number = u32::try_from(self.calls.len() + self.evaluations.len()).ok()?;
        let key = match known_keys.get(row.key.as_str()) {
            Some(key) => *key,
            None => {
                let key = self.keys.len() as u32;
                self.keys.push(row.key.into());
                known_keys.insert(self.keys[key as usize].clone(), key);
                key
            }
        };
        let first_step = row.steps.first().copied().unwrap_or(0);
        let last_step = row.steps.last().copied().unwrap_or(0);
        match row.kind {
            RowKind::Evaluation => self.evaluations.push(EvaluationRow {
                at: row.time,
                key,
                row: number,
                step: first_step,
            }),
            RowKind::Call(completion) => {
                let mut steps_between = row.steps.iter().copied().skip(1);
                let mut phase = |nanos| ExtraPhase {
                    nanos,
                    step: steps_between.next().unwrap_or(0),
                };
                let extra = ExtraPhases {
                    waited: row.waited.map(&mut phase),
                    lasted: row.lasted.map(&mut phase),
                };
                let has_any = extra.waited.is_some() || extra.lasted.is_some();
                self.calls.push(Call {
                    start: row.time,
                    latency: row.latency,
                    completion,
                    key,
                    row: number,
                    first_step,
                    last_step,
                    extra: has_any.then(|| Box::new(extra)),
                });
            }
        }
        Some(())
    }
}

impl fmt::Display for Trace {
    /// Writes one line: the number of calls, their span, and what was unusual in the input.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls in {:.1} s", self.calls.len(), self.span().as_secs_f64())?;
        if self.keys.len() > 1 {
            write!(f, ", of {} keys", self.keys.len())?;
        }
        if self.unsorted > 0 {
            write!(f, "; {} rows came after a later one, and were sorted", self.unsorted)?;
        }
        if self.cut_short {
            f.write_str("; the last line was cut short, and left out")?;
        }
        Ok(())
    }
}
