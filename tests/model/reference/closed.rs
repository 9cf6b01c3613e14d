use std::{
    mem::{discriminant, take},
    time::Duration,
};

use tower_breaker::policy::SlidingWindow;

use super::{Bucket, Cause, Nanos, bucket::Judged, nanos};
use crate::common::generated::plan::{Plan, PolicyPlan};

/// What is known while it is closed.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    /// All that was judged since it closed.
    pub(super) log: Vec<Judged>,
    pub(crate) memories: Vec<Memory>,
    /// Shadow mode: nothing is noted until then.
    pub(super) quiet_until: Nanos,
}

/// What one policy still knows of.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) policy: PolicyPlan,
    pub(super) log: Vec<Judged>,
    /// When a call was last noted here, or the window changed its size.
    touched: Nanos,
}

/// What a policy is asked about.
#[derive(Debug, PartialEq)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
    pub(crate) bad: u64,
    pub(crate) bad_in_a_row: u64,
    pub(crate) bucket: Option<Bucket>,
}

impl Memory {
    pub(super) fn new(policy: PolicyPlan, now: Nanos) -> Self {
        Self {
            policy,
            log: Vec::new(),
            touched: now,
        }
    }

    /// Of what this policy knows, the part that lies in its window.
    pub(super) fn in_window(&self, now: Nanos) -> &[Judged] {
        match self.policy.window() {
            Some(SlidingWindow::Calls(calls)) => &self.log[self.log.len().saturating_sub(calls)..],
            Some(SlidingWindow::Time(time)) => {
                let slice = slice_of(time);
                let gone = |call: &&Judged| now / slice - call.known / slice >= SlidingWindow::SLICES as u64;
                &self.log[self.log.iter().take_while(gone).count()..]
            }
            None => &self.log,
            Some(_) => unreachable!("there is no third kind of window"),
        }
    }

    fn tally(&self, all: &[Judged], now: Nanos) -> Tally {
        let counted = match self.policy.window() {
            Some(_) => self.in_window(now),
            None => all,
        };
        let count = |which: fn(&Judged) -> bool| counted.iter().filter(|call| which(call)).count() as u64;
        Tally {
            calls: counted.len() as u64,
            failed: count(|call| call.failed),
            slow: count(|call| call.slow),
            bad: count(Judged::bad),
            bad_in_a_row: all.iter().rev().take_while(|call| call.bad()).count() as u64,
            bucket: match self.policy {
                PolicyPlan::Evidence { .. } => Some(Bucket::replay(&self.log)),
                _ => None,
            },
        }
    }

    fn trips(&self, all: &[Judged], now: Nanos) -> Option<Cause> {
        let tally = self.tally(all, now);
        let Tally { calls, .. } = tally;
        let reaches = |part: u64, percent: u64, minimum: u64| {
            (calls > 0 && calls >= minimum && part * 100 >= percent * calls).then(|| part as f64 / calls as f64)
        };
        match &self.policy {
            PolicyPlan::Evidence {
                weight,
                excess,
                sustained,
            } => tally
                .bucket
                .filter(|bucket| bucket.is_full(*weight, *excess, 3, 4))
                .filter(|bucket| bucket.has_lasted(nanos(*sustained), now))
                .map(|bucket| bucket.reason(*weight, *excess, 3, now)),
            PolicyPlan::FailureRate(plan) => {
                reaches(tally.failed, plan.percent, plan.minimum_calls()).map(|rate| Cause::FailureRate {
                    rate,
                    percent: plan.percent,
                    calls,
                })
            }
            PolicyPlan::SlowCallRate(plan) => {
                reaches(tally.slow, plan.percent, plan.minimum_calls()).map(|rate| Cause::SlowCallRate {
                    rate,
                    percent: plan.percent,
                    calls,
                })
            }
            PolicyPlan::Consecutive(threshold) => (tally.bad_in_a_row >= *threshold).then_some(Cause::Consecutive {
                count: tally.bad_in_a_row,
                threshold: *threshold,
            }),
            PolicyPlan::BadCalls { most, .. } => (tally.bad >= *most).then_some(Cause::BadCalls {
                bad: tally.bad,
                most: *most,
            }),
        }
    }

    /// The memory of a policy that takes this one's place: it keeps what fits.
    fn handed_to(&self, policy: PolicyPlan, now: Nanos) -> Self {
        let log = match (self.policy.window(), policy.window()) {
            (None, None) => self.log.clone(),
            (Some(SlidingWindow::Calls(_)), Some(SlidingWindow::Calls(_))) => self.in_window(now).to_vec(),
            (Some(SlidingWindow::Time(old)), Some(SlidingWindow::Time(_))) => {
                // When exactly a call was noted is known to a slice of the old window.
                let slice = slice_of(old);
                self.in_window(self.touched)
                    .iter()
                    .map(|call| Judged {
                        known: call.known / slice * slice,
                        ..*call
                    })
                    .collect()
            }
            _ => Vec::new(),
        };
        Self {
            policy,
            log,
            touched: now,
        }
    }
}

pub(super) fn slice_of(time: Duration) -> Nanos {
    (nanos(time) / SlidingWindow::SLICES as u64).max(1)
}

impl Closed {
    pub(super) fn new(plan: &Plan, now: Nanos) -> Self {
        Self {
            log: Vec::new(),
            memories: plan
                .policies
                .iter()
                .map(|policy| Memory::new(policy.clone(), now))
                .collect(),
            quiet_until: 0,
        }
    }

    pub(crate) fn tallies(&self, now: Nanos) -> Vec<Tally> {
        self.memories
            .iter()
            .map(|memory| memory.tally(&self.log, now))
            .collect()
    }

    pub(super) fn note(&mut self, call: Judged, now: Nanos) {
        self.log.push(call);
        for memory in &mut self.memories {
            let (weight, excess, sustained) = match memory.policy {
                PolicyPlan::Evidence {
                    weight,
                    excess,
                    sustained,
                } => (weight, excess, nanos(sustained)),
                _ => (0, 1, 0),
            };
            memory.log.push(Judged {
                weight,
                excess,
                sustained,
                ..call
            });
            memory.touched = now;
        }
    }

    /// One of the calls that were slow, and hadn't failed as far as was known, has. Nobody says
    /// which: the oldest that is still known of.
    pub(super) fn overdue_failed(&mut self, now: Nanos) {
        let is_only_slow = |call: &Judged| call.slow && !call.failed;
        let fail = |log: &mut [Judged]| {
            if let Some(call) = log.iter_mut().find(|call| is_only_slow(call)) {
                call.failed = true;
            }
        };
        fail(&mut self.log);
        for memory in &mut self.memories {
            let known = memory.in_window(now).len();
            let gone = memory.log.len() - known;
            fail(&mut memory.log[gone..]);
        }
    }

    /// When the evidence, as it is, has lasted long enough.
    pub(super) fn trips_at(&self) -> Option<Nanos> {
        let ripe = |memory: &Memory| match memory.policy {
            PolicyPlan::Evidence {
                weight,
                excess,
                sustained,
            } => {
                let bucket = Bucket::replay(&memory.log);
                let full = bucket.is_full(weight, excess, 3, 4);
                bucket.ripe_after(nanos(sustained)).filter(|_| full)
            }
            _ => None,
        };
        self.memories.iter().filter_map(ripe).min()
    }

    pub(super) fn trips(&self, now: Nanos) -> Option<Cause> {
        self.memories.iter().find_map(|memory| memory.trips(&self.log, now))
    }

    pub(super) fn under(&mut self, plan: &Plan, now: Nanos) {
        let mut old = take(&mut self.memories);
        for policy in &plan.policies {
            let kind = discriminant(policy);
            let same = old.iter().position(|memory| discriminant(&memory.policy) == kind);
            self.memories.push(match same {
                Some(index) => old.remove(index).handed_to(policy.clone(), now),
                None => Memory::new(policy.clone(), now),
            });
        }
    }
}
