use std::sync::Arc;

use super::{
    BreakerFactory,
    kept::KeptLanes,
    lanes::Lanes,
    shared::{Announcement, Core, Shared},
    trail::Trail,
    waiters::Waiters,
};
use crate::{
    breaker_name::BreakerName,
    clock::Clock,
    error::CircuitOpen,
    group::{CallCounts, Candidate, Member},
    machine::{Machine, Refusal, Timestamp, TripReason},
    observe::{CallRecord, Completion, Evaluation, Event, EventSinks, Stamp},
};

/// A breaker: its clock, what its threads share, and whom it tells.
pub(super) struct Inner {
    pub(super) name: Arc<str>,
    pub(super) name_in_errors: BreakerName,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shared: Shared,
    pub(super) waiters: Waiters,
    pub(super) sinks: EventSinks,
    pub(super) member: Option<Arc<Member>>,
}

impl Inner {
    pub(super) fn new(
        plan: &BreakerFactory,
        name: Arc<str>,
        machine: Machine,
        member: Option<Arc<Member>>,
        lanes: KeptLanes,
    ) -> Arc<Self> {
        let sinks = EventSinks::new(plan.observers.clone());
        Arc::new(Self {
            name_in_errors: BreakerName::new(&name),
            name,
            clock: plan.clock.clone(),
            shared: Shared::new(machine, sinks.observes_calls(), member.clone(), lanes),
            waiters: Waiters::default(),
            sinks,
            member,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    pub(super) fn circuit_open(&self, refusal: Refusal) -> CircuitOpen {
        CircuitOpen::new(self.name_in_errors.clone(), refusal.retry_after)
    }

    /// Changes what is shared, then, with the lock released and the state stored, tells whoever wants to know.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut Core, &Lanes, Timestamp) -> R) -> R {
        self.update_at(self.now(), change)
    }

    #[inline]
    pub(super) fn update_at<R>(&self, now: Timestamp, change: impl FnOnce(&mut Core, &Lanes, Timestamp) -> R) -> R {
        let (result, announcement) = self.shared.update(now, |core, lanes| change(core, lanes, now));
        if let Some(announcement) = announcement {
            self.announce(announcement, now);
        }
        if let Some(member) = &self.member {
            member.look_for_outliers();
        }
        result
    }

    /// As [`update`](Self::update), for a step of a call; and when it was, where anybody wants to be told.
    pub(super) fn step<R>(&self, change: impl FnOnce(&mut Core, &Lanes, Timestamp) -> R) -> (R, Option<Stamp>) {
        self.step_at(self.now(), change)
    }

    pub(super) fn step_at<R>(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut Core, &Lanes, Timestamp) -> R,
    ) -> (R, Option<Stamp>) {
        let traced = self.sinks.observes_calls();
        self.update_at(now, |core, lanes, now| {
            let moment = traced.then(|| core.moment(now));
            (change(core, lanes, now), moment)
        })
    }

    #[cold]
    pub(super) fn notify_call(&self, call: &CallRecord) {
        self.sinks.notify_call(call);
    }

    /// Tells of a call that ended at the moment of its start.
    pub(super) fn notify_immediate(&self, moment: Stamp, has_started: bool, outcome: Completion) {
        self.notify_call(&Trail::new(moment, has_started).record(self.name.clone(), outcome, moment));
    }

    #[cold]
    fn announce(&self, announcement: Announcement, at: Timestamp) {
        let Announcement {
            sequence,
            changes,
            look,
        } = announcement;
        if !changes.is_empty() {
            self.waiters.wake_all();
        }
        for (sequence, (generation, transition)) in (sequence..).zip(changes) {
            self.sinks.notify(&Event {
                breaker: self.name.clone(),
                generation,
                sequence,
                at,
                transition,
            });
        }
        if let Some(moment) = look.filter(|_| self.sinks.observes_calls()) {
            self.sinks.notify_evaluation(&Evaluation {
                breaker: self.name.clone(),
                stamp: moment,
            });
        }
    }
}

impl Candidate for Inner {
    fn call_counts(&self) -> CallCounts {
        self.shared.count(self.now(), |core, _| {
            let calls = core.totals.primary;
            CallCounts {
                failed: calls.failed,
                calls: calls.failed + calls.succeeded,
            }
        })
    }

    fn trip_as_outlier(&self, reason: TripReason) {
        self.update(|core, _, now| core.machine.trip_if_group_allows(reason, now));
    }
}
