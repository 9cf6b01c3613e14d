use metrics::{describe_histogram, histogram};

use crate::{
    call_record::{CallOutcome, CallRecord},
    event::{Event, Observer},
};

/// An [`Observer`] that records the latency of each call to the primary in a histogram of the `metrics` facade: `tower_breaker_call_duration_seconds`, by
/// `breaker` and `outcome`.
///
/// A breaker that tells of each call takes a lock for it, and reads the clock: some tenths of a microsecond. Of the backup's calls no observer is told;
/// their mean is `tower_breaker_call_seconds_total` ÷ `tower_breaker_timed_calls_total`.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Histograms;

impl Histograms {
    /// One that has told the facade's recorder what it measures.
    #[must_use]
    pub fn new() -> Self {
        describe_histogram!(
            "tower_breaker_call_duration_seconds",
            "How long calls to the primary took, by how they ended"
        );
        Self
    }
}

impl Observer for Histograms {
    fn on_event(&self, _: &Event) {}

    fn wants_calls(&self) -> bool {
        true
    }

    fn on_call(&self, call: &CallRecord) {
        let outcome = match call.outcome {
            CallOutcome::Success => "success",
            CallOutcome::Failure => "failure",
            CallOutcome::Ignored => "ignored",
            CallOutcome::Cancelled => "cancelled",
            // It was no call.
            CallOutcome::Unused | CallOutcome::Refused => return,
        };
        if call.started.is_some() {
            let breaker = call.breaker.to_string();
            histogram!("tower_breaker_call_duration_seconds", "breaker" => breaker, "outcome" => outcome)
                .record(call.latency().as_secs_f64());
        }
    }
}
