use std::{collections::HashMap, fmt, io::Read, sync::Arc, time::Duration};

pub(in crate::replay) mod csv;
pub(in crate::replay) mod json;
mod latencies;
mod lines;
pub(in crate::replay) mod row;
pub(in crate::replay) mod seconds;

pub(in crate::replay) use self::latencies::ENOUGH;
pub use self::latencies::Latencies;
use self::row::{Row, What};
use super::error::TraceError;
use crate::{machine::Timestamp, observe::Completion};

/// What became of each call: when it started, its key, how it ended, how long it took. In order of the starts.
///
/// As CSV, with a header; or as JSON lines, with the same names:
///
/// ```text
/// time,key,outcome,latency
/// 0.010532,payments,success,0.031207
/// 0.020711,payments,failure,0.005012
/// ```
///
/// - `time`: the call's start, in seconds since any moment: since the recording began, or since 1970. Exact to the nanosecond.
/// - `outcome`: `success`, `failure`, `ignored` (it says nothing of the primary), `cancelled` (the caller gave up), or `refused` (a
///   breaker kept it from the primary, so what would have become of it is unknown).
/// - `latency`: how long the answer took, or how long the caller waited before it gave up; in seconds. A refused call needs none.
/// - `key`, which may be left out: what a breaker per key tells calls apart by.
///
/// Columns come in any order, and others are ignored. So may rows: a call's row is often written when it ends. Rows of one moment stay
/// in the order in which they stand. A last line that was cut short is left out.
///
/// A [`Recorder`](super::Recorder) writes a few more columns, from which a replay is exact: `waited` and `lasted`, how long a
/// half-open call waited for the primary's readiness before it started, and how long a call went on after its answer was in;
/// `steps`, the call's places in the order in which the breaker saw everything; and two more outcomes, `unused`, of a call that was never made, and
/// `looked`, where the breaker found something between calls.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub(in crate::replay) calls: Vec<Call>,
    pub(in crate::replay) looks: Vec<LookRow>,
    pub(in crate::replay) keys: Vec<Arc<str>>,
    /// A call that was given up after longer than this would have been bad.
    pub(in crate::replay) patience: Option<Duration>,
    unsorted: u64,
    cut_short: bool,
}

/// One call of a [`Trace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub(in crate::replay) start: u64,
    pub(in crate::replay) latency: u64,
    pub(in crate::replay) outcome: Completion,
    pub(in crate::replay) key: u32,
    pub(in crate::replay) row: u32,
    /// Its first and last place in the breaker's order; 0 where there is none.
    pub(in crate::replay) steps: (u64, u64),
    pub(in crate::replay) detours: Option<Box<Detours>>,
}

/// What few calls have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::replay) struct Detours {
    pub(in crate::replay) waited: Option<Detour>,
    pub(in crate::replay) lasted: Option<Detour>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) struct Detour {
    pub(in crate::replay) nanos: u64,
    /// The place in the breaker's order at which a wait ended, or what lasted began; 0 where there is none.
    pub(in crate::replay) step: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) struct LookRow {
    pub(in crate::replay) at: u64,
    pub(in crate::replay) key: u32,
    pub(in crate::replay) row: u32,
    pub(in crate::replay) step: u64,
}

impl Trace {
    /// Reads CSV. `&mut` readers will do; each row is read once, and kept in some 60 bytes.
    ///
    /// # Errors
    ///
    /// The first line that can't be read.
    pub fn read_csv(from: impl Read) -> Result<Self, TraceError> {
        Self::collect(|take| csv::read(from, take))
    }

    /// Reads JSON lines.
    ///
    /// # Errors
    ///
    /// The first line that can't be read.
    pub fn read_json_lines(from: impl Read) -> Result<Self, TraceError> {
        Self::collect(|take| json::read(from, take))
    }

    /// The calls, in order of their starts.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The key of one of its calls; "" where the trace has none.
    #[must_use]
    pub fn key_of(&self, call: &Call) -> &str {
        self.keys.get(call.key as usize).map_or("", |key| key)
    }

    /// The keys, in the order in which they were first read.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| &**key)
    }

    /// From the first call's start to the last one's.
    #[must_use]
    pub fn span(&self) -> Duration {
        match (self.calls.first(), self.calls.last()) {
            (Some(first), Some(last)) => last.start().since(first.start()),
            _ => Duration::ZERO,
        }
    }

    /// How many rows came after one that starts later. They were sorted: rows that are written when calls end come in that order.
    #[must_use]
    pub fn unsorted(&self) -> u64 {
        self.unsorted
    }

    /// Whether the last line was cut short, and left out.
    #[must_use]
    pub fn was_cut_short(&self) -> bool {
        self.cut_short
    }

    fn collect(
        read: impl FnOnce(&mut dyn FnMut(Row) -> Result<(), TraceError>) -> Result<bool, TraceError>,
    ) -> Result<Self, TraceError> {
        let mut trace = Self::default();
        let mut known = HashMap::new();
        let mut latest = 0;
        trace.cut_short = read(&mut |row| {
            trace.unsorted += u64::from(row.time < latest);
            latest = latest.max(row.time);
            trace
                .add(row, &mut known)
                .ok_or_else(|| TraceError::of_line("the trace is too long", "up to 4294967295 rows"))
        })?;
        trace.calls.sort_by_key(|call| call.start);
        let latencies = Latencies::of(&trace);
        trace.patience = (latencies.calls() >= ENOUGH).then(|| latencies.quantile(0.99).mul_f64(1.5));
        Ok(trace)
    }

    /// `None` where there is no number left for it.
    fn add(&mut self, row: Row, known: &mut HashMap<Arc<str>, u32>) -> Option<()> {
        let number = u32::try_from(self.calls.len() + self.looks.len()).ok()?;
        let key = match known.get(row.key.as_str()) {
            Some(key) => *key,
            None => {
                let key = self.keys.len() as u32;
                self.keys.push(row.key.into());
                known.insert(self.keys[key as usize].clone(), key);
                key
            }
        };
        let first = row.steps.first().copied().unwrap_or(0);
        let last = row.steps.last().copied().unwrap_or(0);
        match row.what {
            What::Looked => self.looks.push(LookRow {
                at: row.time,
                key,
                row: number,
                step: first,
            }),
            What::Call(outcome) => {
                let mut between = row.steps.iter().copied().skip(1);
                let mut detour = |nanos| Detour {
                    nanos,
                    step: between.next().unwrap_or(0),
                };
                let detours = Detours {
                    waited: row.waited.map(&mut detour),
                    lasted: row.lasted.map(&mut detour),
                };
                let has_any = detours.waited.is_some() || detours.lasted.is_some();
                self.calls.push(Call {
                    start: row.time,
                    latency: row.latency,
                    outcome,
                    key,
                    row: number,
                    steps: (first, last),
                    detours: has_any.then(|| Box::new(detours)),
                });
            }
        }
        Some(())
    }
}

impl Call {
    /// When it started.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        Timestamp::from_nanos(self.start)
    }

    /// How long its answer took, or how long its caller waited. Zero for a refused call.
    #[must_use]
    pub fn latency(&self) -> Duration {
        Duration::from_nanos(self.latency)
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Completion {
        self.outcome
    }
}

impl fmt::Display for Trace {
    /// One line: how many calls, over how long, and what was odd about them.
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
