//! The JSON of breakers, their events and checks.
//!
//! Durations are in seconds, times in milliseconds since 1970. The names of fields are public:
//! `openapi.json` lists them. A [`BreakerSummary`] stays equal from one second to the next as long
//! as its breaker does, since the sampler sends only those that differ.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::history::{HistoryPoint, Rates};
use crate::{
    agent::{Check, Instance},
    breaker::{CallTotals, Snapshot},
    config::Config,
    machine::TripReason,
};

/// A breaker in the list of all breakers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct BreakerSummary {
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
    /// Why it left closed; `None` while it is closed.
    why: Option<TripView>,
    /// Why the last trial failed, if one has since.
    last_trial: Option<String>,
    readings: Vec<PolicyMeasurement>,
    rates: Rates,
    in_flight: u64,
    p50: Option<f64>,
    p99: Option<f64>,
    slow_after: Option<f64>,
    /// Whether any calls have gone to a backup.
    has_backup: bool,
    last_check: Option<LastCheck>,
}

/// A reason for a trip, with what was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct TripView {
    text: String,
    name: &'static str,
    measured: f64,
    threshold: f64,
}

/// A value that a policy measures, while the breaker is closed.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct PolicyMeasurement {
    name: &'static str,
    measured: f64,
    threshold: f64,
}

/// The latest of the agent's checks.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct LastCheck {
    failure: Option<String>,
    failed_in_a_row: u64,
    latency: f64,
}

/// One breaker in full, with its history, events and checks.
#[derive(Debug, Serialize)]
pub(super) struct BreakerDetail {
    #[serde(flatten)]
    pub(super) summary: BreakerSummary,
    last_trip: Option<String>,
    last_error: Option<ErrorView>,
    totals: TotalsView,
    config: Option<Config>,
    pub(super) history: Vec<HistoryPoint>,
    pub(super) events: Vec<EventLine>,
    checks: Vec<CheckView>,
}

/// The totals since the breaker was made.
#[derive(Debug, Serialize)]
struct TotalsView {
    primary: CallsView,
    backup: CallsView,
    refused: u64,
    failed_over: u64,
    readiness_waits: u64,
    readiness_wait: f64,
    readiness_errors: u64,
}

/// The totals of the calls to one service.
#[derive(Debug, Serialize)]
struct CallsView {
    calls: u64,
    succeeded: u64,
    failed: u64,
    slow: u64,
    ignored: u64,
    cancelled: u64,
    stale: u64,
    mean_latency: Option<f64>,
}

/// An event: its line of text, and its transition in the vocabulary of the log and the metrics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct EventLine {
    pub(super) at: u64,
    pub(super) breaker: Arc<str>,
    pub(super) text: String,
    /// What the transition led to: see [`Transition::target`](crate::observe::Transition::target).
    pub(super) to: &'static str,
    /// Why: see [`Transition::cause`](crate::observe::Transition::cause).
    pub(super) reason: &'static str,
}

/// The last error of the primary.
#[derive(Debug, Serialize)]
struct ErrorView {
    text: Arc<str>,
    /// How long ago it was.
    ago: f64,
}

/// One of the agent's checks.
#[derive(Debug, Serialize)]
struct CheckView {
    /// How long ago it was.
    ago: f64,
    latency: f64,
    failure: Option<String>,
    was_trial: bool,
}

/// Rounds to three decimal places.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Returns seconds, rounded to the microsecond, so that a value stays the same from one second to
/// the next.
fn secs(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

impl BreakerSummary {
    pub(super) fn rates(&self) -> Rates {
        self.rates
    }

    /// Makes the summary as of `now`. `before` is the one of a second ago.
    pub(super) fn new(
        snapshot: &Snapshot,
        rates: Rates,
        instance: Option<&Instance>,
        now: u64,
        before: Option<&Self>,
    ) -> Self {
        let state = snapshot.state.name();
        // The two clocks aren't read at the same instant. As long as the state is the same, so are
        // the times shown.
        let unchanged = before.filter(|before| {
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
            since: unchanged.map_or(since, |before| before.since),
            retry_at: match unchanged.and_then(|before| before.retry_at) {
                Some(at) if at > now => Some(at),
                _ => snapshot.retry_after.map(|after| now + after.as_millis() as u64),
            },
            attempt: snapshot.attempt,
            why: snapshot.first_trip.as_ref().map(TripView::new),
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
                    Some(PolicyMeasurement {
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

/// Returns when the mode reverts, rounded to the second: the two clocks aren't read at the same
/// instant.
fn reverts_at(snapshot: &Snapshot, now: u64) -> Option<u64> {
    let reverts_at = snapshot.mode_reverts_at?;
    let left = reverts_at.since(snapshot.now).as_millis() as u64;
    Some((now + left + 500) / 1000 * 1000)
}

impl TripView {
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

impl BreakerDetail {
    pub(super) fn new(
        summary: BreakerSummary,
        snapshot: &Snapshot,
        config: Config,
        instance: Option<&Instance>,
        history: Vec<HistoryPoint>,
        events: Vec<EventLine>,
    ) -> Self {
        let totals = &snapshot.totals;
        let checks = instance.map(|instance| instance.history.as_slice()).unwrap_or_default();
        Self {
            summary,
            last_trip: snapshot.last_trip.as_ref().map(ToString::to_string),
            last_error: snapshot.last_error.as_ref().map(|error| ErrorView {
                text: error.text.clone(),
                ago: secs(snapshot.now.since(error.at)),
            }),
            totals: TotalsView {
                primary: calls_view(&totals.primary),
                backup: calls_view(&totals.backup),
                refused: totals.refused,
                failed_over: totals.failed_over,
                readiness_waits: totals.readiness.waits,
                readiness_wait: secs(totals.readiness.total),
                readiness_errors: totals.readiness.errors,
            },
            // A custom policy has no written form.
            config: serde_json::to_vec(&config).is_ok().then_some(config),
            history,
            events,
            checks: checks.iter().map(|check| check_view(check, snapshot)).collect(),
        }
    }
}

fn calls_view(calls: &CallTotals) -> CallsView {
    CallsView {
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

fn check_view(check: &Check, snapshot: &Snapshot) -> CheckView {
    CheckView {
        ago: secs(snapshot.now.since(check.at)),
        latency: secs(check.latency),
        failure: check.failure.as_ref().map(ToString::to_string),
        was_trial: check.was_trial,
    }
}
