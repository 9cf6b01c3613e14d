use std::collections::VecDeque;

use serde::Serialize;

use crate::{breaker::Snapshot, machine::State};

/// The last 15 minutes of a breaker, a point for every five seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    points: VecDeque<Point>,
    /// What has been counted of the point to come, and of how many seconds.
    coming: Option<Coming>,
    last: Option<Counts>,
}

pub(super) const SECONDS_A_POINT: u64 = 5;
const POINTS: usize = 15 * 60 / SECONDS_A_POINT as usize;

/// What happened in five seconds: calls a second, and how long they took in the mean.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Point {
    /// When they ended, in milliseconds since 1970.
    at: u64,
    good: f32,
    failed: f32,
    slow: f32,
    refused: f32,
    backup: f32,
    /// In seconds; `null` where no call came back.
    latency: Option<f64>,
    /// Percent of the calls that may go to the primary.
    share: u8,
    state: &'static str,
}

#[derive(Clone, Debug)]
struct Coming {
    since: Counts,
    seconds: u64,
}

/// What a breaker has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    good: u64,
    failed: u64,
    slow: u64,
    refused: u64,
    backup: u64,
    timed: u64,
    /// In seconds.
    latency: f64,
    backup_failed: u64,
    backup_timed: u64,
    backup_latency: f64,
}

/// Calls in the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Rates {
    /// To the primary.
    pub(super) calls: u64,
    pub(super) bad: u64,
    pub(super) refused: u64,
    pub(super) backup: u64,
    pub(super) backup_failed: u64,
    /// Of the backup, in seconds, in the mean.
    pub(super) backup_latency: Option<f64>,
    /// Of the primary.
    pub(super) latency: Option<f64>,
}

impl Counts {
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

    fn mean(self, before: Self) -> Option<f64> {
        let timed = self.timed - before.timed;
        (timed > 0).then(|| (self.latency - before.latency).max(0.0) / timed as f64)
    }
}

impl History {
    /// A second has passed. What happened in it.
    pub(super) fn second(&mut self, snapshot: &Snapshot, at: u64) -> Rates {
        let now = Counts::of(snapshot);
        let before = self.last.replace(now).unwrap_or(now);
        let coming = self.coming.get_or_insert(Coming {
            since: before,
            seconds: 0,
        });
        coming.seconds += 1;
        if coming.seconds == SECONDS_A_POINT {
            let since = coming.since;
            self.coming = None;
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

    /// A breaker that nobody has called has no history, and takes no memory for it.
    fn push(&mut self, point: Point, has_calls: bool) {
        if self.points.is_empty() && !has_calls && point.share == 100 {
            return;
        }
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    pub(super) fn points(&self) -> Vec<Point> {
        self.points.iter().copied().collect()
    }
}

fn point(now: Counts, before: Counts, snapshot: &Snapshot, at: u64) -> Point {
    let rate = |now: u64, before: u64| (now - before) as f32 / SECONDS_A_POINT as f32;
    Point {
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
