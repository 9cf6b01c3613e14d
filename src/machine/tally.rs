use std::mem::discriminant;

use super::{
    Judgement, Timestamp,
    evidence::Bucket,
    policy::Policy,
    reason::TripReason,
    window::{Counts, Sums, Window},
};

/// What the closed breaker remembers of its calls: for each policy, what that policy asks about.
#[derive(Clone, Debug)]
pub(super) struct Tallies {
    sums: Sums,
    bad_in_a_row: u64,
    each: Vec<Tally>,
}

#[derive(Clone, Debug)]
struct Tally {
    policy: Policy,
    memory: Memory,
}

#[derive(Clone, Debug)]
enum Memory {
    Nothing,
    Bucket(Bucket),
    Window(Window),
}

impl Tallies {
    pub(super) fn new(policy: &Policy, now: Timestamp) -> Self {
        Self {
            sums: Sums::default(),
            bad_in_a_row: 0,
            each: policy
                .clone()
                .flattened()
                .into_iter()
                .map(|policy| Tally::new(policy, now))
                .collect(),
        }
    }

    /// The same memories under another policy: what both know of is kept.
    pub(super) fn under(self, policy: &Policy, now: Timestamp) -> Self {
        let mut old = self.each;
        let mut inherit = |policy: Policy| {
            let same_kind = |tally: &Tally| discriminant(&tally.policy) == discriminant(&policy);
            match old.iter().position(same_kind) {
                Some(index) => old.remove(index).under(policy, now),
                None => Tally::new(policy, now),
            }
        };
        Self {
            each: policy.clone().flattened().into_iter().map(&mut inherit).collect(),
            ..self
        }
    }

    /// Records a call that is known to be good, or bad since `at`.
    pub(super) fn record(&mut self, judgement: Judgement, at: Timestamp, now: Timestamp) {
        self.sums.add(judgement);
        self.bad_in_a_row = if judgement.is_bad() { self.bad_in_a_row + 1 } else { 0 };
        for tally in &mut self.each {
            match &mut tally.memory {
                Memory::Nothing => {}
                Memory::Bucket(bucket) if judgement.is_bad() => bucket.bad(judgement, at),
                Memory::Bucket(bucket) => bucket.good(now),
                Memory::Window(window) => window.record(judgement, now),
            }
        }
    }

    /// Records good calls, the last of which came back at `last`: see [`calm_until`](Self::calm_until).
    pub(super) fn good_calls(&mut self, calls: u64, last: Timestamp) {
        self.sums.calls += calls;
        self.bad_in_a_row = 0;
        for tally in &mut self.each {
            match &mut tally.memory {
                Memory::Nothing => {}
                Memory::Bucket(bucket) => bucket.good_calls(calls, last),
                Memory::Window(window) => window.good_calls(calls, last),
            }
        }
    }

    /// Until when good calls lead to nothing, so that they may be recorded later, all at once; `None` where each has to be looked at.
    pub(super) fn calm_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.each.iter().try_fold(Timestamp::END, |until, tally| {
            tally.calm_until(now).map(|tally_until| until.min(tally_until))
        })
    }

    /// A slow call that was recorded before its end has failed as well.
    pub(super) fn overdue_failed(&mut self, now: Timestamp) {
        self.sums.overdue_failed();
        for tally in &mut self.each {
            if let Memory::Window(window) = &mut tally.memory {
                window.overdue_failed(now);
            }
        }
    }

    /// From when on a bucket that is full enough will have been above 0 for long enough.
    pub(super) fn ripe_at(&self) -> Option<Timestamp> {
        let ripe = |tally: &Tally| match &tally.memory {
            Memory::Bucket(bucket) => bucket.ripe_at(),
            Memory::Nothing | Memory::Window(_) => None,
        };
        self.each.iter().filter_map(ripe).min()
    }

    pub(super) fn trip(&self, now: Timestamp) -> Option<TripReason> {
        self.each
            .iter()
            .filter(|tally| tally.may_trip())
            .find_map(|tally| tally.policy.trip(&self.counts(tally, now)))
    }

    /// Each policy with what it is asked about.
    pub(super) fn readings(&self, now: Timestamp) -> impl Iterator<Item = (&Policy, Counts)> {
        self.each
            .iter()
            .map(move |tally| (&tally.policy, self.counts(tally, now)))
    }

    fn counts(&self, tally: &Tally, now: Timestamp) -> Counts {
        let sums = match &tally.memory {
            Memory::Window(window) => window.sums(now),
            Memory::Nothing | Memory::Bucket(_) => self.sums,
        };
        Counts {
            bad_in_a_row: self.bad_in_a_row,
            bucket: match &tally.memory {
                Memory::Bucket(bucket) => Some(bucket.view(now)),
                Memory::Nothing | Memory::Window(_) => None,
            },
            ..sums.into()
        }
    }
}

impl Tally {
    fn new(policy: Policy, now: Timestamp) -> Self {
        let memory = match (&policy, policy.window()) {
            (Policy::Evidence(evidence), _) => Memory::Bucket(Bucket::new(*evidence)),
            (_, Some(window)) => Memory::Window(Window::new(window, now)),
            (_, None) => Memory::Nothing,
        };
        Self { policy, memory }
    }

    /// Whether its policy need be asked at all.
    fn may_trip(&self) -> bool {
        match &self.memory {
            Memory::Bucket(bucket) => bucket.is_full(),
            Memory::Nothing | Memory::Window(_) => true,
        }
    }

    fn calm_until(&self, now: Timestamp) -> Option<Timestamp> {
        match (&self.policy, &self.memory) {
            // A user's own wants to be asked after each outcome.
            (Policy::Custom(_), _) => None,
            (_, Memory::Nothing) => Some(Timestamp::END),
            (_, Memory::Bucket(bucket)) => bucket.is_calm().then_some(Timestamp::END),
            (policy, Memory::Window(window)) => {
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
        let memory = match (self.memory, fresh.memory, fresh.policy.window()) {
            (Memory::Bucket(bucket), _, _) => match &fresh.policy {
                Policy::Evidence(evidence) => Memory::Bucket(bucket.under(*evidence)),
                _ => Memory::Bucket(bucket),
            },
            (Memory::Window(window), _, Some(size)) => Memory::Window(window.resized(size, now)),
            (_, memory, _) => memory,
        };
        Self { memory, ..fresh }
    }
}
