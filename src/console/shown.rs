//! What is shown, as JSON has it. Durations are in seconds, moments in milliseconds since 1970.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::history::{Point, Rates};
use crate::{
    agent::{Check, Instance},
    breaker::Snapshot,
    config::Config,
    machine::TripReason,
};

/// A breaker in the list of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Shown {
    pub(super) name: Arc<str>,
    state: &'static str,
    mode: &'static str,
    mode_reason: Option<Arc<str>>,
    reverts_at: Option<u64>,
    share: u8,
    pub(super) generation: u64,
    pub(super) since: u64,
    retry_at: Option<u64>,
    attempt: u32,
    /// While it isn't closed: why it tripped.
    why: Option<Why>,
    /// And why it reopened since.
    last_trial: Option<String>,
    readings: Vec<Reading>,
    rates: Rates,
    in_flight: u64,
    p50: Option<f64>,
    p99: Option<f64>,
    slow_after: Option<f64>,
    /// Whether calls have gone to a backup.
    has_backup: bool,
    last_check: Option<LastCheck>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Why {
    text: String,
    name: &'static str,
    measured: f64,
    threshold: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Reading {
    name: &'static str,
    measured: f64,
    threshold: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct LastCheck {
    failure: Option<String>,
    failed_in_a_row: u64,
    latency: f64,
}

/// All there is to see of one breaker.
#[derive(Debug, Serialize)]
pub(super) struct Detail {
    #[serde(flatten)]
    pub(super) shown: Shown,
    last_trip: Option<String>,
    last_error: Option<ShownError>,
    totals: Totals,
    config: Option<Config>,
    pub(super) history: Vec<Point>,
    pub(super) events: Vec<Said>,
    checks: Vec<ShownCheck>,
}

#[derive(Debug, Serialize)]
struct Totals {
    primary: Calls,
    backup: Calls,
    refused: u64,
    failed_over: u64,
    readiness_waits: u64,
    readiness_wait: f64,
    readiness_errors: u64,
}

#[derive(Debug, Serialize)]
struct Calls {
    calls: u64,
    succeeded: u64,
    failed: u64,
    slow: u64,
    ignored: u64,
    cancelled: u64,
    stale: u64,
    mean_latency: Option<f64>,
}

/// An event, in a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Said {
    pub(super) at: u64,
    pub(super) breaker: Arc<str>,
    pub(super) text: String,
    /// What kind it is: "opened", "half-opened" …
    pub(super) kind: &'static str,
}

#[derive(Debug, Serialize)]
struct ShownError {
    text: Arc<str>,
    /// How long ago it was.
    ago: f64,
}

#[derive(Debug, Serialize)]
struct ShownCheck {
    /// How long ago it was.
    ago: f64,
    latency: f64,
    failure: Option<String>,
    was_trial: bool,
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn secs(duration: Duration) -> f64 {
    // To the microsecond: nobody sees more, and it stays the same from one second to the next.
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

impl Shown {
    pub(super) fn rates(&self) -> Rates {
        self.rates
    }

    /// At a moment, with what was shown a second before.
    pub(super) fn new(
        snapshot: &Snapshot,
        rates: Rates,
        instance: Option<&Instance>,
        now: u64,
        before: Option<&Self>,
    ) -> Self {
        let state = snapshot.state.name();
        // The clocks aren't read at the same moment: as long as nothing changes, neither does this.
        let same = before.filter(|before| {
            before.generation == snapshot.generation && before.state == state && before.share == snapshot.share
        });
        let since = now.saturating_sub(snapshot.lasted.as_millis() as u64);
        Self {
            name: snapshot.name.clone(),
            state,
            mode: snapshot.mode.name(),
            mode_reason: snapshot.mode_reason.clone(),
            reverts_at: reverts_at(snapshot, now),
            share: snapshot.share,
            generation: snapshot.generation,
            since: same.map_or(since, |same| same.since),
            retry_at: match same.and_then(|same| same.retry_at) {
                Some(at) if at > now => Some(at),
                _ => snapshot.retry_after.map(|after| now + after.as_millis() as u64),
            },
            attempt: snapshot.attempt,
            why: snapshot.first_trip.as_ref().map(Why::new),
            last_trial: snapshot
                .first_trip
                .as_ref()
                .and(snapshot.last_trip.as_ref())
                .filter(|last| snapshot.first_trip.as_ref() != Some(last))
                .map(ToString::to_string),
            readings: snapshot
                .policies
                .iter()
                .filter_map(|policy| {
                    let measured = policy.measured()?;
                    Some(Reading {
                        name: policy.name(),
                        measured: rounded(measured.value),
                        threshold: rounded(measured.threshold),
                    })
                })
                .collect(),
            rates,
            in_flight: snapshot.in_flight,
            p50: snapshot.learned_p50.map(secs),
            p99: snapshot.learned_p99.map(secs),
            slow_after: snapshot.slow_after.map(secs),
            has_backup: snapshot.totals.backup.calls > 0,
            last_check: instance.and_then(LastCheck::of),
        }
    }
}

/// To the second: the clocks aren't read at the same moment.
fn reverts_at(snapshot: &Snapshot, now: u64) -> Option<u64> {
    let in_all = snapshot.mode_reverts_at?;
    let left = in_all.since(snapshot.now).as_millis() as u64;
    Some((now + left + 500) / 1000 * 1000)
}

impl Why {
    fn new(reason: &TripReason) -> Self {
        Self {
            text: reason.to_string(),
            name: reason.name(),
            measured: rounded(reason.measured()),
            threshold: rounded(reason.threshold()),
        }
    }
}

impl LastCheck {
    fn of(instance: &Instance) -> Option<Self> {
        let check = instance.latest()?;
        Some(Self {
            failure: check.failure.as_ref().map(ToString::to_string),
            failed_in_a_row: instance.failed_in_a_row,
            latency: secs(check.latency),
        })
    }
}

impl Detail {
    pub(super) fn new(
        shown: Shown,
        snapshot: &Snapshot,
        config: Config,
        instance: Option<&Instance>,
        history: Vec<Point>,
        events: Vec<Said>,
    ) -> Self {
        let totals = &snapshot.totals;
        let checks = instance.map(|instance| instance.history.as_slice()).unwrap_or_default();
        Self {
            shown,
            last_trip: snapshot.last_trip.as_ref().map(ToString::to_string),
            last_error: snapshot.last_error.as_ref().map(|error| ShownError {
                text: error.text.clone(),
                ago: secs(snapshot.now.since(error.at)),
            }),
            totals: Totals {
                primary: calls(&totals.primary),
                backup: calls(&totals.backup),
                refused: totals.refused,
                failed_over: totals.failed_over,
                readiness_waits: totals.readiness.waits,
                readiness_wait: secs(totals.readiness.total),
                readiness_errors: totals.readiness.errors,
            },
            // A policy of a user's own can't be written.
            config: serde_json::to_vec(&config).is_ok().then_some(config),
            history,
            events,
            checks: checks.iter().map(|check| shown_check(check, snapshot)).collect(),
        }
    }
}

fn calls(calls: &crate::breaker::CallTotals) -> Calls {
    Calls {
        calls: calls.calls,
        succeeded: calls.succeeded,
        failed: calls.failed,
        slow: calls.slow,
        ignored: calls.ignored,
        cancelled: calls.cancelled,
        stale: calls.stale,
        mean_latency: calls.mean_latency().map(secs),
    }
}

fn shown_check(check: &Check, snapshot: &Snapshot) -> ShownCheck {
    ShownCheck {
        ago: secs(snapshot.now.since(check.at)),
        latency: secs(check.latency),
        failure: check.failure.as_ref().map(ToString::to_string),
        was_trial: check.was_trial,
    }
}
