//! What the breaker's lock protects: the machine, the deadlines of calls that took the slow path,
//! and the totals.
//!
//! Each step of a call goes through [`LockedState::step`] in one order: take what the shards have
//! counted, find overdue calls, change, publish what the fast path goes by. What has changed is
//! announced once the lock is released.

use std::{mem::take, sync::Arc, time::Duration};

use super::{
    deadlines::{DeadlineWheel, Overdue},
    fast_path::{Counts, PooledShards, ShardReader},
    snapshot::{LastError, Totals},
};
use crate::{
    group::Member,
    machine::{
        BatchWindow, Completion, Machine, Outcome, Refusal, RejectWindow, SuccessBatch, Ticket, Timestamp, Transition,
    },
    observe::Stamp,
};

/// What the breaker's lock protects.
#[derive(Debug)]
pub(super) struct LockedState {
    pub(super) machine: Machine,
    /// Calls under the lock with no answer yet: they are slow when their time is up.
    pub(super) unanswered: DeadlineWheel,
    /// In half-open, calls whose answer goes on and on: they are good when their time is up.
    pub(super) streaming: DeadlineWheel,
    /// The generation that the watched calls belong to.
    pub(super) watched: u64,
    pub(super) totals: Totals,
    pub(super) last_error: Option<Box<LastError>>,
    pub(super) reader: ShardReader,
    member: Option<Arc<Member>>,
    /// Whether an observer wants each call, so that none may take the fast path.
    observes_calls: bool,
    /// Calls that were let through.
    started: u64,
    /// Calls that have ended.
    pub(super) ended: u64,
    /// Good ones of them that aren't recorded yet, because reading must not decide.
    undecided: u64,
    sequence: u64,
    /// The last step that was given a number.
    step: u64,
}

/// What a step leaves to be announced, once the lock is released.
#[derive(Debug)]
pub(super) struct Announcement {
    /// The number of the first of the changes.
    pub(super) sequence: u64,
    /// Each with its generation.
    pub(super) changes: Vec<(u64, Transition)>,
    /// Something was found, and it was no call's step.
    pub(super) evaluation: Option<Stamp>,
}

impl LockedState {
    pub(super) fn new(
        mut machine: Machine,
        observes_calls: bool,
        member: Option<Arc<Member>>,
        shards: PooledShards,
    ) -> Self {
        if let Some(member) = &member {
            machine.join(member.clone());
        }
        let is_small = !shards.is_enabled();
        let watched = machine.generation();
        let mut state = Self {
            machine,
            unanswered: DeadlineWheel::new(is_small),
            streaming: DeadlineWheel::new(is_small),
            watched,
            totals: Totals::default(),
            last_error: None,
            reader: ShardReader::new(shards, watched),
            member,
            observes_calls,
            started: 0,
            ended: 0,
            undecided: 0,
            sequence: 0,
            step: 0,
        };
        state.publish(Timestamp::START);
        state
    }

    /// Brings everything to `now`, changes it, and publishes what the fast path goes by.
    #[inline]
    pub(super) fn step<R>(&mut self, now: Timestamp, change: impl FnOnce(&mut Self) -> R) -> (R, Option<Announcement>) {
        let last_step = self.step;
        self.take_counts(now);
        let undecided = take(&mut self.undecided);
        self.record_late(undecided, self.machine.generation(), now);
        let found = self.find_overdue(now);
        let result = change(self);
        self.drop_stale_deadlines();
        self.publish(now);
        (result, self.announcement(found, last_step, now))
    }

    /// Numbers the step that is being taken, and returns its stamp.
    pub(super) fn stamp(&mut self, now: Timestamp) -> Stamp {
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

    /// Like [`admit`](Self::admit), but for a call that needs a ready primary. Most often the
    /// primary is ready at the first poll.
    #[inline]
    pub(super) fn admit_waiting(&mut self, now: Timestamp) -> Result<Ticket, Refusal> {
        let mut ticket = self.admit(now)?;
        if self.observes_calls {
            // Its start is a step of its own, of which observers are notified.
            ticket.wait();
        } else {
            ticket.expect();
        }
        Ok(ticket)
    }

    /// Returns whether all calls go to the primary: it is healthy, or too few of its group are.
    pub(super) fn is_flowing(&mut self, now: Timestamp) -> bool {
        self.machine.is_flowing(now) || self.is_panicking()
    }

    fn is_panicking(&self) -> bool {
        self.machine.is_automatic() && self.member.as_ref().is_some_and(|member| member.is_panicking())
    }

    /// Returns until when every call is refused, and no call takes the lock.
    fn reject_window(&self) -> Option<RejectWindow> {
        let window = self.machine.reject_window()?;
        (!self.may_panic()).then_some(RejectWindow {
            // An observer wants each call.
            until: if self.observes_calls {
                Timestamp::START
            } else {
                window.until
            },
            ..window
        })
    }

    /// Returns whether some calls are refused, whatever the others of its group are like.
    fn is_partial(&self) -> bool {
        self.machine.is_half_open() && !self.may_panic()
    }

    fn may_panic(&self) -> bool {
        self.member.as_ref().is_some_and(|member| member.may_panic())
    }

    pub(super) fn admit_to_trial(&mut self, now: Timestamp) -> Option<Ticket> {
        let admitted = self.machine.admit_to_trial(now);
        admitted.inspect(|ticket| self.note_start(ticket))
    }

    /// Reserves a ticket; `None` where no reservation is needed. A reservation has no deadline
    /// here: it is no call yet, and expires in the machine.
    pub(super) fn reserve(&mut self, now: Timestamp) -> Result<Option<Ticket>, Refusal> {
        if self.is_flowing(now) {
            return Ok(None);
        }
        let reserved = self.machine.reserve(now);
        reserved.inspect(|ticket| self.note_start(ticket)).map(Some)
    }

    /// Admits a call that goes to the primary even where the machine refuses it.
    pub(super) fn admit_reserved(&mut self, now: Timestamp) -> Ticket {
        let ticket = self.machine.admit(now).unwrap_or_else(|_| Ticket::untracked(now));
        self.note_start(&ticket);
        ticket
    }

    fn note_start(&mut self, ticket: &Ticket) {
        self.started += 1;
        self.totals.primary.calls += u64::from(ticket.is_recorded());
    }

    /// Returns how many calls to the primary have started and haven't ended.
    pub(super) fn in_flight(&self) -> u64 {
        self.started - self.ended
    }

    /// Takes what the shards have counted, before anything else is decided.
    pub(super) fn take_counts(&mut self, now: Timestamp) {
        let generation = self.machine.generation();
        let new = self.reader.take();
        let good = self.add(&new, generation);
        match self.reader.open_for() {
            Some(window) => {
                self.totals.primary.succeeded += good;
                if new.started > 0 || good > 0 {
                    self.machine.record_successes(self.reader.batch(&new, &window, now));
                }
            }
            // They were counted late, and may decide something: that waits for a step.
            None => self.undecided += good,
        }
    }

    /// Adds what the shards have counted to the totals; returns the number of good calls of this
    /// generation.
    fn add(&mut self, new: &Counts, generation: u64) -> u64 {
        let (good, stale) = new.good_of(generation);
        self.started += new.started;
        self.ended += good + stale;
        let refused = new.rejected + new.diverted;
        self.machine.record_rejections(refused);
        let Totals { primary, backup, .. } = &mut self.totals;
        primary.calls += new.started;
        primary.stale += stale;
        primary.timed += new.timed;
        primary.latency = primary.latency.saturating_add(Duration::from_nanos(new.latency));
        backup.calls += new.diverted;
        backup.succeeded += new.backed_up;
        self.totals.refused += refused;
        good
    }

    /// Records good calls that have come back after all that has been decided so far.
    fn record_late(&mut self, good: u64, generation: u64, now: Timestamp) {
        for _ in 0..good {
            let settled = self.machine.record_late_success(generation, now);
            self.totals.primary.note(settled, Completion::SUCCESS);
            self.drop_stale_deadlines();
        }
    }

    /// Returns until when calls may take the fast path, and when there may be something to decide
    /// otherwise.
    fn batch_window(&self) -> Option<(BatchWindow, Option<Timestamp>)> {
        if self.observes_calls || !self.reader.is_enabled() {
            return None;
        }
        let window = self.machine.batch_window()?;
        if window.slow_after.is_some_and(|slow_after| slow_after < SHORTEST) {
            return None;
        }
        let next_evaluation = self.next_evaluation();
        let window = BatchWindow {
            // There may be calls in flight from before, which had to end in time.
            is_timed: window.is_timed || next_evaluation.is_some() || self.reader.may_watch(),
            ..window
        };
        Some((window, next_evaluation))
    }

    /// Opens the gate where good calls may be reported in batches, and closes it where they may
    /// not.
    fn publish(&mut self, now: Timestamp) {
        let mut window = self.batch_window();
        let open_for = window.as_ref().map(|(window, _)| window);
        if let Some(was) = self.reader.close_unless(open_for) {
            // What was counted until that very moment.
            let new = self.reader.take();
            let good = self.add(&new, was.generation);
            let last = self.reader.batch(&new, &was, now);
            self.machine.record_successes(SuccessBatch { good: 0, ..last });
            self.record_late(good, was.generation, last.last);
            window = self.batch_window();
        }
        let refusing = self.reject_window();
        self.reader
            .refuse_if(refusing, self.is_partial(), self.machine.generation(), now);
        if let Some((window, next_evaluation)) = window {
            self.reader.open(window, next_evaluation, now);
        }
    }

    /// Records that the primary's `poll_ready` failed, with no call to blame; returns whether a
    /// call would have been admitted.
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

    /// Returns when there may be something to decide though nothing happens: calls become overdue,
    /// or evidence has lasted long enough.
    pub(super) fn next_decision(&self) -> Option<Timestamp> {
        [self.next_evaluation(), self.reader.next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Like [`next_decision`](Self::next_decision), but for all that doesn't come from the shards.
    fn next_evaluation(&self) -> Option<Timestamp> {
        let dues = [
            self.unanswered.next_due(),
            self.streaming.next_due(),
            self.machine.trips_at(),
        ];
        dues.into_iter().flatten().min()
    }

    /// Counts the calls that are overdue; returns whether there were any.
    fn find_overdue(&mut self, now: Timestamp) -> bool {
        let mut found = false;
        while let Some(overdue) = self.next_overdue(now) {
            found = true;
            for _ in 0..overdue.calls {
                self.totals.primary.slow += u64::from(self.machine.overdue(overdue.since, now));
                if self.drop_stale_deadlines() {
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

    /// Takes out the calls that have been overdue for longest, wherever they are watched.
    fn next_overdue(&mut self, now: Timestamp) -> Option<Overdue> {
        let here = self.unanswered.overdue_since(now);
        let there = self.reader.overdue_since(now);
        let is_there = there.is_some_and(|there| here.is_none_or(|here| there < here));
        // Where they have just ended, those under the lock are next.
        let overdue = is_there.then(|| self.reader.next_overdue(now)).flatten();
        overdue.or_else(|| here.and_then(|_| self.unanswered.next_overdue(now)))
    }

    /// Forgets the deadlines of calls that were admitted before a trip: they are of no interest
    /// after it.
    pub(super) fn drop_stale_deadlines(&mut self) -> bool {
        let stale = self.watched != self.machine.generation();
        if stale {
            self.unanswered.clear();
            self.streaming.clear();
            self.watched = self.machine.generation();
            self.reader.begin_generation(self.watched);
        }
        stale
    }

    /// Returns what there is to announce, if anything.
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
            evaluation: (self.step == last_step).then(|| self.stamp(now)),
        })
    }
}

/// Buckets for a shorter time limit would pass by faster than threads do.
const SHORTEST: Duration = Duration::from_millis(1);
