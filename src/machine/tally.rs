use std::mem::discriminant;

use super::{
    Assessment, Timestamp,
    evidence::Bucket,
    policy::Policy,
    reason::TripReason,
    window::{Counts, Sums, Window},
};

/// What the closed breaker remembers of its calls: for each policy, what that policy asks about.
#[derive(Clone, Debug)]
pub(super) struct PolicyStates {
    sums: Sums,
    bad_in_a_row: u64,
    each: Vec<PolicyState>,
}

#[derive(Clone, Debug)]
struct PolicyState {
    policy: Policy,
    statistics: Statistics,
}

#[derive(Clone, Debug)]
enum Statistics {
    Nothing,
    Bucket(Bucket),
    Window(Window),
}

impl PolicyStates {
    pub(super) fn new(policy: &Policy, now: Timestamp) -> Self {
        Self {
            sums: Sums::default(),
            bad_in_a_row: 0,
            each: policy
                .clone()
                .flattened()
                .into_iter()
                .map(|policy| PolicyState::new(policy, now))
                .collect(),
        }
    }

    /// The same memories under another policy: what both know of is kept.
    pub(super) fn under(self, policy: &Policy, now: Timestamp) -> Self {
        let mut old = self.each;
        let mut inherit = |policy: Policy| {
            let same_kind = |state: &PolicyState| discriminant(&state.policy) == discriminant(&policy);
            match old.iter().position(same_kind) {
                Some(index) => old.remove(index).under(policy, now),
                None => PolicyState::new(policy, now),
            }
        };
        Self {
            each: policy.clone().flattened().into_iter().map(&mut inherit).collect(),
            ..self
        }
    }

    /// Records a call that is known to be good, or bad since `at`.
    pub(super) fn record(&mut self, assessment: Assessment, at: Timestamp, now: Timestamp) {
        self.sums.add(assessment);
        self.bad_in_a_row = if assessment.is_bad() { self.bad_in_a_row + 1 } else { 0 };
        for state in &mut self.each {
            match &mut state.statistics {
                Statistics::Nothing => {}
                Statistics::Bucket(bucket) if assessment.is_bad() => bucket.bad(assessment, at),
                Statistics::Bucket(bucket) => bucket.good(now),
                Statistics::Window(window) => window.record(assessment, now),
            }
        }
    }

    /// Records good calls, the last of which came back at `last`: see [`calm_until`](Self::calm_until).
    pub(super) fn good_calls(&mut self, calls: u64, last: Timestamp) {
        self.sums.calls += calls;
        self.bad_in_a_row = 0;
        for state in &mut self.each {
            match &mut state.statistics {
                Statistics::Nothing => {}
                Statistics::Bucket(bucket) => bucket.good_calls(calls, last),
                Statistics::Window(window) => window.good_calls(calls, last),
            }
        }
    }

    /// Until when good calls lead to nothing, so that they may be recorded later, all at once; `None` where each has to be looked at.
    pub(super) fn calm_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.each.iter().try_fold(Timestamp::END, |until, state| {
            state.calm_until(now).map(|tally_until| until.min(tally_until))
        })
    }

    /// A slow call that was recorded before its end has failed as well.
    pub(super) fn overdue_failed(&mut self, now: Timestamp) {
        self.sums.overdue_failed();
        for state in &mut self.each {
            if let Statistics::Window(window) = &mut state.statistics {
                window.overdue_failed(now);
            }
        }
    }

    /// From when on a bucket that is full enough will have been above 0 for long enough.
    pub(super) fn trips_at(&self) -> Option<Timestamp> {
        let ripe = |state: &PolicyState| match &state.statistics {
            Statistics::Bucket(bucket) => bucket.trips_at(),
            Statistics::Nothing | Statistics::Window(_) => None,
        };
        self.each.iter().filter_map(ripe).min()
    }

    pub(super) fn trip(&self, now: Timestamp) -> Option<TripReason> {
        self.each
            .iter()
            .filter(|state| state.may_trip())
            .find_map(|state| state.policy.trip(&self.counts(state, now)))
    }

    /// Each policy with what it is asked about.
    pub(super) fn readings(&self, now: Timestamp) -> impl Iterator<Item = (&Policy, Counts)> {
        self.each
            .iter()
            .map(move |state| (&state.policy, self.counts(state, now)))
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
    fn new(policy: Policy, now: Timestamp) -> Self {
        let statistics = match (&policy, policy.window()) {
            (Policy::Evidence(evidence), _) => Statistics::Bucket(Bucket::new(*evidence)),
            (_, Some(window)) => Statistics::Window(Window::new(window, now)),
            (_, None) => Statistics::Nothing,
        };
        Self { policy, statistics }
    }

    /// Whether its policy need be asked at all.
    fn may_trip(&self) -> bool {
        match &self.statistics {
            Statistics::Bucket(bucket) => bucket.is_full(),
            Statistics::Nothing | Statistics::Window(_) => true,
        }
    }

    fn calm_until(&self, now: Timestamp) -> Option<Timestamp> {
        match (&self.policy, &self.statistics) {
            // A user's own wants to be asked after each outcome.
            (Policy::Custom(_), _) => None,
            (_, Statistics::Nothing) => Some(Timestamp::END),
            (_, Statistics::Bucket(bucket)) => bucket.is_calm().then_some(Timestamp::END),
            (policy, Statistics::Window(window)) => {
                let sums = window.sums(now);
                let slice_ends = window.slice_ends(now);
                // A good call lowers a rate of calls, but may be the one that makes enough of them; and with time, others leave.
                let only_falls =
                    || slice_ends.is_none() && policy.has_enough(sums.calls) && policy.trip(&sums.into()).is_none();
                (sums.bad == 0 || only_falls()).then(|| slice_ends.unwrap_or(Timestamp::END))
            }
        }
    }

    fn under(self, policy: Policy, now: Timestamp) -> Self {
        let fresh = Self::new(policy, now);
        let statistics = match (self.statistics, fresh.statistics, fresh.policy.window()) {
            (Statistics::Bucket(bucket), _, _) => match &fresh.policy {
                Policy::Evidence(evidence) => Statistics::Bucket(bucket.under(*evidence)),
                _ => Statistics::Bucket(bucket),
            },
            (Statistics::Window(window), _, Some(size)) => Statistics::Window(window.resized(size, now)),
            (_, statistics, _) => statistics,
        };
        Self { statistics, ..fresh }
    }
}
