//! The closed breaker's memory of its calls: for each policy, what that policy is asked about.
//!
//! [`PolicyStates`] records every call that counts and asks the policies. It also says for how long
//! good calls may be recorded in a batch: as long as no policy could tell the difference.

use std::mem::discriminant;

use super::{
    Policy, Rule,
    bucket::Bucket,
    counts::{Counts, Sums},
    reading::PolicyReading,
    reason::TripReason,
    window::Window,
};
use crate::machine::{completion::Assessment, time::Timestamp};

/// A closed breaker's memory: the states of all its policies, and what they share.
#[derive(Clone, Debug)]
pub(in crate::machine) struct PolicyStates {
    sums: Sums,
    bad_in_a_row: u64,
    each: Vec<PolicyState>,
}

#[derive(Clone, Debug)]
struct PolicyState {
    rule: Rule,
    statistics: Statistics,
}

/// A policy's statistics, beside the sums since the breaker closed.
#[derive(Clone, Debug)]
enum Statistics {
    Nothing,
    Bucket(Bucket),
    Window(Window),
}

impl PolicyStates {
    /// Returns the states of a breaker that has just closed: no calls yet.
    pub(in crate::machine) fn new(policy: &Policy, now: Timestamp) -> Self {
        let state = |rule: &Rule| PolicyState::new(rule.clone(), now);
        Self {
            sums: Sums::default(),
            bad_in_a_row: 0,
            each: policy.rules().iter().map(state).collect(),
        }
    }

    /// Returns the same states under another policy. What both policies ask about is kept.
    pub(in crate::machine) fn under(self, policy: &Policy, now: Timestamp) -> Self {
        let mut old = self.each;
        let mut inherit = |rule: &Rule| {
            let same_kind = |state: &PolicyState| discriminant(&state.rule) == discriminant(rule);
            match old.iter().position(same_kind) {
                Some(index) => old.remove(index).under(rule.clone(), now),
                None => PolicyState::new(rule.clone(), now),
            }
        };
        Self {
            each: policy.rules().iter().map(&mut inherit).collect(),
            ..self
        }
    }

    /// Records a call that is known to be good, or bad since `at`.
    pub(in crate::machine) fn record(&mut self, assessment: Assessment, at: Timestamp, now: Timestamp) {
        self.sums.add(assessment);
        self.bad_in_a_row = if assessment.is_bad() { self.bad_in_a_row + 1 } else { 0 };
        for state in &mut self.each {
            match &mut state.statistics {
                Statistics::Nothing => {}
                Statistics::Bucket(bucket) if assessment.is_bad() => bucket.record_bad(assessment, at),
                Statistics::Bucket(bucket) => bucket.record_good(now),
                Statistics::Window(window) => window.record(assessment, now),
            }
        }
    }

    /// Records good calls, the last of which came back at `last`: see
    /// [`batch_until`](Self::batch_until).
    pub(in crate::machine) fn record_successes(&mut self, calls: u64, last: Timestamp) {
        self.sums.calls += calls;
        self.bad_in_a_row = 0;
        for state in &mut self.each {
            match &mut state.statistics {
                Statistics::Nothing => {}
                Statistics::Bucket(bucket) => bucket.record_successes(calls, last),
                Statistics::Window(window) => window.record_successes(calls, last),
            }
        }
    }

    /// Returns until when good calls may be recorded in a batch, because none of them could trip a
    /// policy. `None` where each has to be recorded at once.
    pub(in crate::machine) fn batch_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.each.iter().try_fold(Timestamp::END, |until, state| {
            state.batch_until(now).map(|state_until| until.min(state_until))
        })
    }

    /// Counts a slow call that was recorded before its end as failed, too.
    pub(in crate::machine) fn overdue_failed(&mut self, now: Timestamp) {
        self.sums.overdue_failed();
        for state in &mut self.each {
            if let Statistics::Window(window) = &mut state.statistics {
                window.overdue_failed(now);
            }
        }
    }

    /// Returns from when on a full bucket, if it stays as it is, will have lasted for long enough.
    pub(in crate::machine) fn trips_at(&self) -> Option<Timestamp> {
        let trips_at = |state: &PolicyState| match &state.statistics {
            Statistics::Bucket(bucket) => bucket.trips_at(),
            Statistics::Nothing | Statistics::Window(_) => None,
        };
        self.each.iter().filter_map(trips_at).min()
    }

    /// Returns the reason of the first policy that trips.
    pub(in crate::machine) fn trip(&self, now: Timestamp) -> Option<TripReason> {
        self.each
            .iter()
            .filter(|state| state.may_trip())
            .find_map(|state| state.rule.trip(&self.counts(state, now)))
    }

    /// Returns each policy with what it is asked about.
    pub(in crate::machine) fn readings(&self, now: Timestamp) -> Vec<PolicyReading> {
        let reading = |state: &PolicyState| PolicyReading::new(state.rule.clone(), self.counts(state, now));
        self.each.iter().map(reading).collect()
    }

    fn counts(&self, state: &PolicyState, now: Timestamp) -> Counts {
        let sums = match &state.statistics {
            Statistics::Window(window) => window.sums(now),
            Statistics::Nothing | Statistics::Bucket(_) => self.sums,
        };
        Counts {
            bad_in_a_row: self.bad_in_a_row,
            bucket: match &state.statistics {
                Statistics::Bucket(bucket) => Some(bucket.view(now)),
                Statistics::Nothing | Statistics::Window(_) => None,
            },
            ..sums.into()
        }
    }
}

impl PolicyState {
    fn new(rule: Rule, now: Timestamp) -> Self {
        let statistics = match (&rule, rule.window()) {
            (Rule::Evidence(evidence), _) => Statistics::Bucket(Bucket::new(*evidence)),
            (_, Some(window)) => Statistics::Window(Window::new(window, now)),
            (_, None) => Statistics::Nothing,
        };
        Self { rule, statistics }
    }

    /// Returns whether its policy need be asked at all.
    fn may_trip(&self) -> bool {
        match &self.statistics {
            Statistics::Bucket(bucket) => bucket.is_full(),
            Statistics::Nothing | Statistics::Window(_) => true,
        }
    }

    /// Returns until when this policy allows a batch: see [`PolicyStates::batch_until`].
    fn batch_until(&self, now: Timestamp) -> Option<Timestamp> {
        match (&self.rule, &self.statistics) {
            // A user's own has to be asked after each outcome.
            (Rule::Custom(_), _) => None,
            (_, Statistics::Nothing) => Some(Timestamp::END),
            (_, Statistics::Bucket(bucket)) => bucket.can_batch().then_some(Timestamp::END),
            (rule, Statistics::Window(window)) => {
                let sums = window.sums(now);
                let slice_ends = window.slice_ends(now);
                // A good call lowers the rate of a window of calls, but may be the one that makes
                // enough of them. From a window of time, others leave meanwhile.
                let only_falls =
                    || slice_ends.is_none() && rule.has_enough(sums.calls) && rule.trip(&sums.into()).is_none();
                (sums.bad == 0 || only_falls()).then(|| slice_ends.unwrap_or(Timestamp::END))
            }
        }
    }

    fn under(self, rule: Rule, now: Timestamp) -> Self {
        let fresh = Self::new(rule, now);
        let statistics = match (self.statistics, fresh.statistics, fresh.rule.window()) {
            (Statistics::Bucket(bucket), _, _) => match &fresh.rule {
                Rule::Evidence(evidence) => Statistics::Bucket(bucket.under(*evidence)),
                _ => Statistics::Bucket(bucket),
            },
            (Statistics::Window(window), _, Some(size)) => Statistics::Window(window.resized(size, now)),
            (_, statistics, _) => statistics,
        };
        Self { statistics, ..fresh }
    }
}
