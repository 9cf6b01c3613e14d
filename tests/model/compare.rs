//! Compares what the machine reports with what the reference expects.

use std::time::Duration;

use proptest::prelude::*;
use tower_breaker::{
    State,
    observe::Transition,
    policy::{Counts, TripReason},
};

use crate::{
    common::{
        durations::ms,
        generated::plan::{GOOD, PolicyPlan},
    },
    lockstep::Checked,
    reference::{Cause, Expected, Nanos, Phase, Reference, Tally},
};

impl Reference {
    pub(crate) fn check_refusal(&self, retry_after: Option<Duration>) -> Checked {
        match &self.phase {
            Phase::Closed(_) => prop_assert_eq!(retry_after, Some(Duration::ZERO)),
            // Its time is up, and it waits for more calls to refuse, or for an agent that is no
            // caller.
            Phase::Open { .. }
                if self.open_for() == Some(0) && (self.state() == State::Open || self.trial_reservations > 0) =>
            {
                prop_assert_eq!(retry_after, Some(ms(100)));
            }
            Phase::Open { .. } => prop_assert_eq!(retry_after, self.open_for().map(Duration::from_nanos)),
            // A moment, since the next answer may change everything.
            Phase::HalfOpen(_) => prop_assert!(retry_after.is_some_and(|after| after <= ms(100))),
        }
        Ok(())
    }
}

impl Expected {
    pub(crate) fn is(&self, transition: &Transition) -> bool {
        match (self, transition) {
            (
                Self::Opened {
                    from,
                    cause,
                    open_for,
                    attempt,
                },
                Transition::Opened {
                    from: got_from,
                    reason,
                    open_for: got,
                    attempt: got_attempt,
                    ..
                },
            ) => {
                let got = got.as_secs_f64();
                let in_time = open_for.start() - 1e-6 <= got && got <= open_for.end() + 1e-6;
                from == got_from && cause.is(reason) && in_time && attempt == got_attempt
            }
            (Self::HalfOpened { attempt }, Transition::HalfOpened { attempt: got, .. }) => attempt == got,
            (
                Self::Share { from, to, cause },
                Transition::ShareChanged {
                    from: got_from,
                    to: got_to,
                    reason,
                    ..
                },
            ) => {
                let same_reason = match (cause, reason) {
                    (Some(cause), Some(reason)) => cause.is(reason),
                    (None, None) => true,
                    _ => false,
                };
                from == got_from && to == got_to && same_reason
            }
            (Self::WouldHaveTripped(cause), Transition::WouldHaveTripped { reason, .. }) => cause.is(reason),
            (
                Self::Mode {
                    from,
                    to,
                    reason,
                    reverts_after,
                },
                Transition::ModeChanged {
                    from: got_from,
                    to: got_to,
                    reason: got_reason,
                    reverts_after: got_after,
                    ..
                },
            ) => {
                let same_reason = reason.as_ref().is_none_or(|reason| **reason == **got_reason);
                let same_time = reverts_after.map(Duration::from_nanos) == *got_after;
                from == got_from && to == got_to && same_reason && same_time
            }
            (Self::Reset, Transition::Reset { reason, .. }) => **reason == *"by hand",
            (Self::Closed, Transition::Closed) | (Self::Reconfigured, Transition::Reconfigured) => true,
            _ => false,
        }
    }
}

impl Cause {
    pub(crate) fn is(&self, reason: &TripReason) -> bool {
        match (self, reason) {
            (
                Self::Evidence {
                    level,
                    threshold,
                    bad,
                    calls,
                    over,
                },
                TripReason::Evidence {
                    level: got_level,
                    threshold: got_threshold,
                    bad: got_bad,
                    calls: got_calls,
                    over: got_over,
                    ..
                },
            ) => {
                let same = near(*level, *got_level) && near(*threshold, *got_threshold);
                same && (bad, calls, Duration::from_nanos(*over)) == (got_bad, got_calls, *got_over)
            }
            (
                Self::FailureRate { rate, percent, calls },
                TripReason::FailureRate {
                    rate: got,
                    threshold,
                    calls: got_calls,
                    ..
                },
            )
            | (
                Self::SlowCallRate { rate, percent, calls },
                TripReason::SlowCallRate {
                    rate: got,
                    threshold,
                    calls: got_calls,
                    ..
                },
            ) => near(*rate, *got) && near(*percent as f64 / 100.0, *threshold) && calls == got_calls,
            (
                Self::Consecutive { count, threshold },
                TripReason::ConsecutiveFailures {
                    count: got,
                    threshold: got_threshold,
                    ..
                },
            ) => (count, threshold) == (got, got_threshold),
            (
                Self::TrialFailed { bad, calls, threshold },
                TripReason::TrialFailed {
                    bad: got_bad,
                    calls: got_calls,
                    threshold: got_threshold,
                    ..
                },
            ) => (bad, calls, threshold) == (got_bad, got_calls, got_threshold),
            (
                Self::NoVerdict { calls },
                TripReason::NoVerdict {
                    calls: got, threshold, ..
                },
            ) => calls == got && *threshold == 10,
            (
                Self::BadCalls { bad, most },
                TripReason::Custom {
                    measured, threshold, ..
                },
            ) => near(*bad as f64, *measured) && near(*most as f64, *threshold),
            _ => false,
        }
    }
}

impl Tally {
    pub(crate) fn is(&self, counts: &Counts, policy: &PolicyPlan, now: Nanos) -> bool {
        let same_bucket = match (&self.bucket, &counts.bucket, policy) {
            (Some(bucket), Some(got), PolicyPlan::Evidence { weight, .. }) => {
                let over = Duration::from_nanos(bucket.above_zero_for(now));
                near(bucket.level as f64 / GOOD as f64, got.level)
                    && near(*weight as f64 / GOOD as f64, got.weight)
                    && (bucket.judged, bucket.bad, over) == (got.judged, got.bad, got.above_zero_for)
                    && bucket.lasted(now).map(Duration::from_nanos) == got.lasted
                    && bucket.silent_for(now).map(Duration::from_nanos) == got.silent_for
            }
            (None, None, _) => true,
            _ => false,
        };
        let got = (
            counts.calls,
            counts.failed,
            counts.slow,
            counts.bad,
            counts.bad_in_a_row,
        );
        same_bucket && (self.calls, self.failed, self.slow, self.bad, self.bad_in_a_row) == got
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + a.abs())
}
