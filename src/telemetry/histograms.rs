//! Records the latency of each call in a histogram of the `metrics` facade.

use std::time::Duration;

use metrics::{describe_histogram, histogram};

use crate::{
    machine::Outcome,
    observe::{BackupRecord, CallRecord, Completion, Event, Observer},
};

/// An [`Observer`] that records the latency of each call in a histogram of the `metrics` facade.
///
/// The histogram is `tower_breaker_call_duration_seconds`, by `breaker`, `service` (`primary` or
/// `backup`) and `outcome`. A breaker that observes calls takes its lock and reads the clock for
/// each: some tenths of a microsecond.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Histograms;

impl Histograms {
    /// Makes the observer, and describes the histogram to the facade's recorder.
    #[must_use]
    pub fn new() -> Self {
        describe_histogram!(
            "tower_breaker_call_duration_seconds",
            "How long calls took, by service and by how they ended"
        );
        Self
    }
}

impl Observer for Histograms {
    fn on_event(&self, _: &Event) {}

    fn observes_calls(&self) -> bool {
        true
    }

    fn on_call(&self, call: &CallRecord) {
        if call.started.is_some() {
            record(&call.breaker, "primary", call.completion, call.latency());
        }
    }

    fn on_backup_call(&self, call: &BackupRecord) {
        record(&call.breaker, "backup", call.completion, call.latency);
    }
}

fn record(breaker: &str, service: &'static str, completion: Completion, latency: Duration) {
    let outcome = match completion {
        Completion::Finished(Outcome::Success) => "success",
        Completion::Finished(Outcome::Failure) => "failure",
        Completion::Finished(Outcome::Ignored) => "ignored",
        Completion::Cancelled => "cancelled",
        Completion::Unused | Completion::Refused => return,
    };
    let breaker = breaker.to_owned();
    histogram!("tower_breaker_call_duration_seconds", "breaker" => breaker, "service" => service, "outcome" => outcome)
        .record(latency.as_secs_f64());
}
