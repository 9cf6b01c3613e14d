//! What becomes of a call that takes the lock, between its start and its end; and where its
//! deadline is kept.

use std::time::Duration;

use super::{deadlines::Bucket, state::LockedState};
use crate::machine::{Completion, Outcome, Ticket, Timestamp};

/// Where a call's deadline is kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deadline {
    /// The call has no time limit.
    None,
    /// In the shard where it started.
    InShard { shard: usize, bucket: Bucket },
    /// Among the calls under the lock with no answer yet.
    Unanswered(Bucket),
    /// Among those whose answer goes on and on.
    Streaming(Bucket),
    /// Its time was up before, and it was counted then; or a new generation has begun.
    Passed,
}

impl LockedState {
    /// Returns the ticket, and where its call is watched.
    pub(super) fn watched(&mut self, ticket: Ticket, now: Timestamp) -> (Ticket, Deadline) {
        let deadline = self.watch(&ticket, now);
        (ticket, deadline)
    }

    fn watch(&mut self, ticket: &Ticket, now: Timestamp) -> Deadline {
        self.drop_stale_deadlines();
        match ticket.due(now).filter(|_| self.counts(ticket)) {
            Some(due) => Deadline::Unanswered(self.unanswered.watch(now, due)),
            None => Deadline::None,
        }
    }

    fn counts(&self, ticket: &Ticket) -> bool {
        ticket.is_recorded() && self.machine.is_current(ticket)
    }

    /// Ends the watch of a call; returns whether that was before its time was up.
    fn finish(&mut self, ticket: &Ticket, deadline: Deadline) -> bool {
        if !self.machine.is_current(ticket) {
            return true; // It isn't watched any more, and another may be in its place.
        }
        match deadline {
            Deadline::None => true,
            Deadline::InShard { shard, bucket } => self.reader.finish(shard, ticket.generation(), bucket),
            Deadline::Unanswered(bucket) => self.unanswered.finish(bucket),
            Deadline::Streaming(bucket) => self.streaming.finish(bucket),
            Deadline::Passed => false,
        }
    }

    /// Watches a call on whose start something has changed.
    pub(super) fn watch_anew(&mut self, ticket: &Ticket, deadline: Deadline, now: Timestamp) -> Deadline {
        if self.finish(ticket, deadline) {
            self.watch(ticket, now)
        } else {
            Deadline::Passed
        }
    }

    /// Notes that the call's answer is in, though the call goes on.
    pub(super) fn answer(&mut self, ticket: &mut Ticket, deadline: Deadline, now: Timestamp) -> Deadline {
        ticket.answer(now);
        if !self.finish(ticket, deadline) {
            return Deadline::Passed;
        }
        self.drop_stale_deadlines();
        match ticket.streaming_deadline(now).filter(|_| self.counts(ticket)) {
            Some(due) => Deadline::Streaming(self.streaming.watch(now, due)),
            None => Deadline::None,
        }
    }

    /// Records the end of a call to the primary.
    pub(super) fn settle(&mut self, ticket: Ticket, deadline: Deadline, completion: Completion, now: Timestamp) {
        self.ended += 1;
        let was_good = matches!(deadline, Deadline::Streaming(_));
        let on_time = self.finish(&ticket, deadline);
        if !ticket.is_recorded() {
            return;
        }
        let latency = ticket.elapsed(now);
        if on_time || !self.machine.is_current(&ticket) {
            let settled = self.machine.settle(ticket, completion, now);
            self.totals.primary.note(settled, completion);
        } else {
            // It was counted when its time was up: as slow, or as good enough for a probe.
            self.machine.learn(&ticket, completion, now);
            if completion == Completion::Finished(Outcome::Failure) && !was_good {
                self.machine.overdue_failed(now);
            }
            self.totals.primary.note_end(completion);
        }
        self.totals.primary.note_latency(latency, completion);
    }

    /// Records the end of a call to the backup; returns its latency, where it is timed.
    pub(super) fn end_backup(
        &mut self,
        completion: Completion,
        started: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Duration> {
        let latency = started.map(|started| now.since(started));
        self.totals.backup.note_end(completion);
        self.totals.backup.note_latency(latency, completion);
        latency
    }
}
