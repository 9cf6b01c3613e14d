//! The last 15 minutes of a breaker's calls, as points of five seconds each.
//!
//! The sampler adds one second at a time, from the totals of a snapshot, which only grow. A breaker
//! that has never been called keeps no points, so that ten thousand idle breakers take little
//! memory.

use std::collections::VecDeque;

use serde::Serialize;

use crate::{breaker::Snapshot, machine::State};

/// A history of one breaker's calls, with the counters that the next point starts from.
#[derive(Clone, Debug, Default)]
pub(super) struct CallHistory {
    points: VecDeque<HistoryPoint>,
    /// The point that isn't complete yet.
    partial: Option<PartialPoint>,
    last: Option<CallCounters>,
}

/// The length of a point, in seconds.
const SECONDS_A_POINT: u64 = 5;
/// The number of points that are kept.
const POINTS: usize = 15 * 60 / SECONDS_A_POINT as usize;

/// A point: calls per second, and their mean latency, over five seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct HistoryPoint {
    /// The end of the five seconds, in milliseconds since 1970.
    at: u64,
    good: f32,
    failed: f32,
    slow: f32,
    refused: f32,
    backup: f32,
    /// The mean latency in seconds; `None` if no timed call came back.
    latency: Option<f64>,
    /// The percentage of the calls that may go to the primary.
    share: u8,
    state: &'static str,
}

/// A point that isn't complete yet.
#[derive(Clone, Debug)]
struct PartialPoint {
    /// The counters at its start.
    since: CallCounters,
    /// How many of its seconds have passed.
    seconds: u64,
}

/// The counters of a breaker since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct CallCounters {
    good: u64,
    failed: u64,
    slow: u64,
    refused: u64,
    backup: u64,
    timed: u64,
    /// The total latency of the timed calls, in seconds.
    latency: f64,
    backup_failed: u64,
    backup_timed: u64,
    backup_latency: f64,
}

/// The number of calls in the last second, and their latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Rates {
    /// Calls to the primary.
    pub(super) calls: u64,
    pub(super) bad: u64,
    pub(super) refused: u64,
    pub(super) backup: u64,
    pub(super) backup_failed: u64,
    /// The mean latency of the backup, in seconds.
    pub(super) backup_latency: Option<f64>,
    /// The mean latency of the primary, in seconds.
    pub(super) latency: Option<f64>,
}

impl CallCounters {
    fn of(snapshot: &Snapshot) -> Self {
        let (primary, backup) = (snapshot.totals.primary, snapshot.totals.backup);
        Self {
            good: primary.succeeded,
            failed: primary.failed,
            slow: primary.slow,
            refused: snapshot.totals.refused,
            backup: backup.calls,
            timed: primary.timed,
            latency: primary.latency.as_secs_f64(),
            backup_failed: backup.failed,
            backup_timed: backup.timed,
            backup_latency: backup.latency.as_secs_f64(),
        }
    }

    /// Returns the mean latency of the primary since `before`.
    fn mean(self, before: Self) -> Option<f64> {
        let timed = self.timed - before.timed;
        (timed > 0).then(|| (self.latency - before.latency).max(0.0) / timed as f64)
    }
}

impl CallHistory {
    /// Adds the second that has passed, and returns what happened in it.
    pub(super) fn add_second(&mut self, snapshot: &Snapshot, at: u64) -> Rates {
        let now = CallCounters::of(snapshot);
        let before = self.last.replace(now).unwrap_or(now);
        let partial = self.partial.get_or_insert(PartialPoint {
            since: before,
            seconds: 0,
        });
        partial.seconds += 1;
        if partial.seconds == SECONDS_A_POINT {
            let since = partial.since;
            self.partial = None;
            self.push(point(now, since, snapshot, at), now != since);
        }
        let backup_timed = now.backup_timed - before.backup_timed;
        Rates {
            calls: now.good + now.failed - before.good - before.failed,
            bad: (now.failed - before.failed).max(now.slow - before.slow),
            refused: now.refused - before.refused,
            backup: now.backup - before.backup,
            backup_failed: now.backup_failed - before.backup_failed,
            backup_latency: (backup_timed > 0)
                .then(|| (now.backup_latency - before.backup_latency).max(0.0) / backup_timed as f64),
            latency: now.mean(before),
        }
    }

    /// Adds a point, unless the breaker has never been called and takes all calls.
    fn push(&mut self, point: HistoryPoint, has_calls: bool) {
        if self.points.is_empty() && !has_calls && point.share == 100 {
            return;
        }
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    pub(super) fn points(&self) -> Vec<HistoryPoint> {
        self.points.iter().copied().collect()
    }
}

fn point(now: CallCounters, before: CallCounters, snapshot: &Snapshot, at: u64) -> HistoryPoint {
    let rate = |now: u64, before: u64| (now - before) as f32 / SECONDS_A_POINT as f32;
    HistoryPoint {
        at,
        good: rate(now.good, before.good),
        failed: rate(now.failed, before.failed),
        slow: rate(now.slow, before.slow),
        refused: rate(now.refused, before.refused),
        backup: rate(now.backup, before.backup),
        latency: now.mean(before),
        share: snapshot.share,
        state: match snapshot.state {
            State::ReadyToProbe => State::Open.name(),
            state => state.name(),
        },
    }
}
