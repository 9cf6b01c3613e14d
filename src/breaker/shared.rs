mod calls;

use std::{
    mem::take,
    sync::{Arc, PoisonError},
    time::Duration,
};

pub(super) use self::calls::Watched;
use super::{
    inflight::Inflight,
    keeper::{Keeper, is_watchable},
    kept::KeptLanes,
    lanes::Lanes,
    last_error::LastError,
    totals::Totals,
};
use crate::{
    group::Member,
    machine::{
        BatchWindow, Completion, Machine, Outcome, Refusal, RejectWindow, SuccessBatch, Ticket, Timestamp, Transition,
    },
    observe::Stamp,
    sync::{AtomicU64, Mutex, Ordering},
};

/// What the threads share: the machine, the calls in flight and the totals, behind one short lock; and the lanes, where the calls of
/// a healthy primary pass it by.
#[derive(Debug)]
pub(super) struct Shared {
    core: Mutex<Core>,
    /// The machine's, for those who only want to know whether it is still the same.
    generation: AtomicU64,
    lanes: KeptLanes,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) machine: Machine,
    /// Calls with no answer yet: they are slow when their time is up.
    unanswered: Inflight,
    /// In half-open, calls whose answer goes on and on: they are good when their time is up.
    streaming: Inflight,
    /// The generation that the watched calls belong to.
    watched: u64,
    pub(super) totals: Totals,
    pub(super) last_error: Option<Box<LastError>>,
    keeper: Keeper,
    member: Option<Arc<Member>>,
    /// Whether each call has to be told of, so that none may pass the lock by.
    observes_calls: bool,
    /// Calls that were let through under the lock.
    started: u64,
    /// Calls that have ended, wherever they were let through.
    ended: u64,
    /// Good ones of them that the machine hasn't been told of: to look must not decide.
    undecided: u64,
    sequence: u64,
    /// The last step that was given a number.
    step: u64,
}

/// What a change of the core leaves to be announced, once the lock is released.
#[derive(Debug)]
pub(super) struct Announcement {
    /// The number of the first of the changes.
    pub(super) sequence: u64,
    /// Each with its generation.
    pub(super) changes: Vec<(u64, Transition)>,
    /// Something was found, and it was no call's step.
    pub(super) look: Option<Stamp>,
}

impl Shared {
    pub(super) fn new(
        mut machine: Machine,
        observes_calls: bool,
        member: Option<Arc<Member>>,
        lanes: KeptLanes,
    ) -> Self {
        if let Some(member) = &member {
            machine.join(member.clone());
        }
        let is_small = lanes.each().is_empty();
        let mut core = Core {
            watched: machine.generation(),
            machine,
            unanswered: Inflight::new(is_small),
            streaming: Inflight::new(is_small),
            totals: Totals::default(),
            last_error: None,
            keeper: Keeper::new(&lanes),
            member,
            observes_calls,
            started: 0,
            ended: 0,
            undecided: 0,
            sequence: 0,
            step: 0,
        };
        core.open_lanes(&lanes, Timestamp::START);
        Self {
            generation: AtomicU64::new(core.watched),
            core: Mutex::new(core),
            lanes,
        }
    }

    #[inline]
    pub(super) fn lanes(&self) -> &KeptLanes {
        &self.lanes
    }

    /// The generation of the last change.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Looks.
    pub(super) fn read<R>(&self, look: impl FnOnce(&Core) -> R) -> R {
        // A panic under the lock can come from a user's code only, which the machine isolates; its state is whole.
        look(&self.core.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the counts as well.
    pub(super) fn count<R>(&self, now: Timestamp, look: impl FnOnce(&Core, &Lanes) -> R) -> R {
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        core.take_passed(&self.lanes, now);
        core.take_late(&self.lanes);
        look(&core, &self.lanes)
    }

    /// Brings everything to `now`, then changes it.
    #[inline]
    pub(super) fn update<R>(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut Core, &Lanes) -> R,
    ) -> (R, Option<Announcement>) {
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        let last_step = core.step;
        core.take_passed(&self.lanes, now);
        core.take_late(&self.lanes);
        core.note_undecided(now);
        let found = core.find_overdue(&self.lanes, now);
        let result = change(&mut core, &self.lanes);
        core.drop_stale_watches();
        core.open_lanes(&self.lanes, now);
        self.generation.store(core.watched, Ordering::Release);
        core.keeper.adopt(&self.lanes);
        let announcement = core.announcement(found, last_step, now);
        (result, announcement)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.lanes.each().is_empty() {
            return; // They are for all that have none.
        }
        let core = self.core.get_mut().unwrap_or_else(PoisonError::into_inner);
        core.keeper.leave(&self.lanes, core.machine.generation());
        self.lanes.give_back();
    }
}

impl Core {
    /// Gives the step that is being taken its place in the order of all.
    pub(super) fn moment(&mut self, now: Timestamp) -> Stamp {
        self.step += 1;
        Stamp {
            at: now,
            step: self.step,
        }
    }

    #[inline]
    pub(super) fn admit(&mut self, now: Timestamp) -> Result<Ticket, Refusal> {
        self.machine.evaluate(now);
        let admitted = self.machine.admit(now);
        match &admitted {
            Ok(ticket) => self.note_start(ticket),
            Err(_) if self.is_panicking() => {
                self.started += 1;
                return Ok(Ticket::untracked(now));
            }
            Err(_) => self.totals.refused += 1,
        }
        admitted
    }

    /// As [`admit`](Self::admit), for a call that needs a primary that is ready: most often it is, at the first poll.
    #[inline]
    pub(super) fn admit_waiting(&mut self, now: Timestamp) -> Result<Ticket, Refusal> {
        let mut ticket = self.admit(now)?;
        if self.observes_calls {
            // When it really starts is a step of its own, to be told of.
            ticket.wait();
        } else {
            ticket.expect();
        }
        Ok(ticket)
    }

    /// Whether all calls go to the primary: it is healthy, or too few of its group are.
    pub(super) fn is_flowing(&mut self, now: Timestamp) -> bool {
        self.machine.is_flowing(now) || self.is_panicking()
    }

    fn is_panicking(&self) -> bool {
        self.machine.is_automatic() && self.member.as_ref().is_some_and(|member| member.is_panicking())
    }

    /// Where every call is refused until one is looked at: until when none need be.
    fn refusing(&self) -> Option<RejectWindow> {
        let refusing = self.machine.reject_window()?;
        (!self.may_panic()).then_some(RejectWindow {
            // Somebody wants to be told of each.
            until: if self.observes_calls {
                Timestamp::START
            } else {
                refusing.until
            },
            ..refusing
        })
    }

    /// Whether some calls are refused, whatever the others of its group are like.
    fn shares(&self) -> bool {
        self.machine.is_half_open() && !self.may_panic()
    }

    fn may_panic(&self) -> bool {
        self.member.as_ref().is_some_and(|member| member.may_panic())
    }

    pub(super) fn admit_to_trial(&mut self, now: Timestamp) -> Option<Ticket> {
        let admitted = self.machine.admit_to_trial(now);
        admitted.inspect(|ticket| self.note_start(ticket))
    }

    /// `None` where no promise is needed. A promise isn't watched: it is no call yet, and runs out in the machine.
    pub(super) fn reserve(&mut self, now: Timestamp) -> Result<Option<Ticket>, Refusal> {
        if self.is_flowing(now) {
            return Ok(None);
        }
        let reserved = self.machine.reserve(now);
        reserved.inspect(|ticket| self.note_start(ticket)).map(Some)
    }

    /// A call that goes to the primary even where the machine would rather not have it.
    pub(super) fn admit_reserved(&mut self, now: Timestamp) -> Ticket {
        let ticket = self.machine.admit(now).unwrap_or_else(|_| Ticket::untracked(now));
        self.note_start(&ticket);
        ticket
    }

    fn note_start(&mut self, ticket: &Ticket) {
        self.started += 1;
        self.totals.primary.calls += u64::from(ticket.is_recorded());
    }

    pub(super) fn totals(&self, lanes: &Lanes) -> Totals {
        let (mut totals, passed) = (self.totals, self.keeper.passed(lanes));
        let primary = &mut totals.primary;
        primary.calls += passed.started;
        primary.timed += passed.timed;
        primary.latency = primary.latency.saturating_add(Duration::from_nanos(passed.latency));
        totals
    }

    /// Calls to the primary that have been started and haven't ended.
    pub(super) fn in_flight(&self, lanes: &Lanes) -> u64 {
        // The lanes' starts are read after their ends.
        self.started + self.keeper.passed(lanes).started - self.ended
    }

    /// Takes what the lanes have counted, before anything else is decided.
    fn take_passed(&mut self, lanes: &Lanes, now: Timestamp) {
        let refused = self.keeper.take_refused(lanes);
        let calls = refused.rejected + refused.diverted;
        self.totals.refused += calls;
        self.totals.backup.calls += refused.diverted;
        self.totals.backup.succeeded += refused.backed_up;
        self.machine.record_rejections(calls);
        let passed = self.keeper.take(lanes, now);
        self.count_passed(passed);
        self.totals.primary.succeeded += passed.good;
        if passed.started > 0 || passed.good > 0 {
            self.machine.record_successes(passed);
        }
    }

    /// Takes what was counted too late for that. What may yet decide something waits for a step.
    fn take_late(&mut self, lanes: &Lanes) {
        let late = self.keeper.take_late(lanes, self.machine.generation());
        self.ended += late.stale + late.current;
        self.totals.primary.timed += late.timed;
        self.totals.primary.stale += late.stale;
        self.undecided += late.current;
    }

    fn note_undecided(&mut self, now: Timestamp) {
        let good = take(&mut self.undecided);
        self.note_late(good, self.machine.generation(), now);
    }

    /// Good calls that have come back after all that has been decided so far.
    fn note_late(&mut self, good: u64, generation: u64, now: Timestamp) {
        for _ in 0..good {
            let settled = self.machine.record_late_success(generation, now);
            self.totals.primary.note(settled, GOOD);
            self.drop_stale_watches();
        }
    }

    fn count_passed(&mut self, passed: SuccessBatch) {
        self.ended += passed.good;
        if passed.timed {
            self.totals.primary.timed += passed.good;
        }
    }

    /// Whether calls may pass, and when there may be something to decide otherwise.
    fn calm(&self, lanes: &Lanes) -> Option<(BatchWindow, Option<Timestamp>)> {
        if self.observes_calls || lanes.each().is_empty() {
            return None;
        }
        let calm = self
            .machine
            .batch_window()
            .filter(|calm| is_watchable(calm.slow_after))?;
        let next_evaluation = self.next_evaluation();
        let calm = BatchWindow {
            // There may be calls in flight from before, which had to end in time.
            is_timed: calm.is_timed || next_evaluation.is_some(),
            ..calm
        };
        Some((calm, next_evaluation))
    }

    /// Opens the lanes where it is calm, and closes them where it isn't.
    fn open_lanes(&mut self, lanes: &Lanes, now: Timestamp) {
        let mut calm = self.calm(lanes);
        let is_calm = calm.as_ref().map(|(calm, _)| calm);
        if let Some(last) = self.keeper.close_unless(is_calm, lanes, &mut self.unanswered, now) {
            self.count_passed(last);
            self.machine.record_successes(SuccessBatch { good: 0, ..last });
            self.note_late(last.good, last.generation, last.last);
            calm = self.calm(lanes);
        }
        let refusing = self.refusing();
        self.keeper
            .refuse_if(refusing, self.shares(), self.machine.generation(), lanes, now);
        if let Some((calm, next_evaluation)) = calm {
            self.keeper
                .open(calm, next_evaluation, lanes, &mut self.unanswered, now);
        }
    }

    /// The primary's `poll_ready` failed, with no call to blame. Whether the breaker would have let a call through.
    pub(super) fn readiness_failed(&mut self, now: Timestamp) -> bool {
        self.machine.evaluate(now);
        let admitted = self.machine.admit(now);
        let counts = admitted.is_ok();
        if let Ok(ticket) = admitted {
            self.machine.settle(ticket, Completion::Finished(Outcome::Failure), now);
        }
        counts
    }

    pub(super) fn waited(&mut self, waited: Duration) {
        self.totals.readiness.waits += 1;
        self.totals.readiness.total = self.totals.readiness.total.saturating_add(waited);
    }

    /// When there may be something to decide though nothing happens: calls become overdue, or evidence has lasted long enough.
    pub(super) fn next_decision(&self, lanes: &Lanes) -> Option<Timestamp> {
        let looks = [self.next_evaluation(), self.keeper.next_due(lanes)];
        looks.into_iter().flatten().min()
    }

    /// As far as nothing in the lanes leads to it.
    fn next_evaluation(&self) -> Option<Timestamp> {
        let looks = [
            self.unanswered.next_due(),
            self.streaming.next_due(),
            self.machine.trips_at(),
        ];
        looks.into_iter().flatten().min()
    }

    /// Whether there were any.
    fn find_overdue(&mut self, lanes: &Lanes, now: Timestamp) -> bool {
        let mut found = false;
        self.keeper.give_expired(lanes, &mut self.unanswered, now);
        while let Some(overdue) = self.unanswered.next_overdue(now) {
            found = true;
            for _ in 0..overdue.calls {
                self.totals.primary.slow += u64::from(self.machine.overdue(overdue.since, now));
                if self.drop_stale_watches() {
                    return true;
                }
            }
        }
        while let Some(streaming) = self.streaming.next_overdue(now) {
            found = true;
            for _ in 0..streaming.calls {
                self.machine.streaming(now);
            }
        }
        found
    }

    /// What was admitted before a trip is of no interest after it.
    fn drop_stale_watches(&mut self) -> bool {
        let stale = self.watched != self.machine.generation();
        if stale {
            self.unanswered.clear();
            self.streaming.clear();
            self.watched = self.machine.generation();
        }
        stale
    }

    /// `None` where nobody need be told of anything.
    fn announcement(&mut self, found: bool, last_step: u64, now: Timestamp) -> Option<Announcement> {
        if !found && !self.machine.has_changed() {
            return None;
        }
        let changes = self.machine.take_changes();
        let sequence = self.sequence;
        self.sequence += changes.len() as u64;
        Some(Announcement {
            sequence,
            changes,
            look: (self.step == last_step).then(|| self.moment(now)),
        })
    }
}

pub(super) const GOOD: Completion = Completion::Finished(Outcome::Success);

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        time::Duration,
    };

    use super::*;
    use crate::machine::{Settings, State};

    #[test]
    fn a_panic_under_the_lock_does_not_take_the_service_down() {
        let shared = Shared::new(
            Machine::new(Settings::default(), 0).unwrap(),
            false,
            None,
            KeptLanes::take(),
        );
        let now = Timestamp::START + Duration::from_secs(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| shared.update(now, |_, _| panic!("on purpose"))));
        assert!(panicked.is_err() && shared.core.is_poisoned());
        assert_eq!(shared.read(|core| core.machine.state(now)), State::Closed);
        let (admitted, _) = shared.update(now, |core, _| core.admit(now));
        assert!(admitted.is_ok());
    }
}
