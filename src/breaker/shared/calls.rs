use std::time::Duration;

use super::Core;
use crate::{
    breaker::{
        lane::Tag,
        lanes::{Lanes, TimedPass},
        slots::Slot,
    },
    machine::{Completion, Outcome, Ticket, Timestamp},
};

/// What becomes of a call between its start and its end.
impl Core {
    /// The ticket of a call that passed and isn't timed, which nobody watches.
    pub(in crate::breaker) fn stopped(&self, tag: Tag) -> (Ticket, Watched) {
        (Ticket::batched(self.generation_of(tag), None, None), Watched::No)
    }

    /// The ticket of a timed call that passed, and where it is watched.
    pub(in crate::breaker) fn stopped_timed(&self, pass: &TimedPass, lane: usize) -> (Ticket, Watched) {
        let generation = self.generation_of(pass.tag());
        let watch = match pass.slot() {
            Some(slot) if generation == self.machine.generation() => Watched::Passed { lane, slot },
            _ => Watched::No,
        };
        let ticket = Ticket::batched(generation, Some(pass.started()), pass.slow_after());
        (ticket, watch)
    }

    fn generation_of(&self, tag: Tag) -> u64 {
        let generation = self.keeper.generation_of(tag, self.machine.generation());
        generation.unwrap_or(Ticket::UNTRACKED)
    }

    /// The ticket, and where its call is watched.
    pub(in crate::breaker) fn watched(&mut self, ticket: Ticket, now: Timestamp) -> (Ticket, Watched) {
        let watch = self.watch(&ticket, now);
        (ticket, watch)
    }

    fn watch(&mut self, ticket: &Ticket, now: Timestamp) -> Watched {
        self.drop_stale_watches();
        match ticket.due(now).filter(|_| self.counts(ticket)) {
            Some(due) => Watched::Unanswered(self.unanswered.watch(now, due)),
            None => Watched::No,
        }
    }

    fn counts(&self, ticket: &Ticket) -> bool {
        ticket.is_recorded() && self.machine.is_current(ticket)
    }

    /// Whether the call came to its end before its time was up.
    fn finish(&mut self, ticket: &Ticket, watch: Watched, lanes: &Lanes) -> bool {
        if !self.machine.is_current(ticket) {
            return true; // It isn't watched any more, and another may be in its place.
        }
        match watch {
            Watched::No => true,
            Watched::Passed { lane, slot } => self.keeper.finish(&lanes.each()[lane], slot, &mut self.unanswered),
            Watched::Unanswered(slot) => self.unanswered.finish(slot),
            Watched::Lasting(slot) => self.streaming.finish(slot),
            Watched::Counted => false,
        }
    }

    /// Watches a call on whose start something has changed.
    pub(in crate::breaker) fn watch_anew(
        &mut self,
        ticket: &Ticket,
        watch: Watched,
        lanes: &Lanes,
        now: Timestamp,
    ) -> Watched {
        if self.finish(ticket, watch, lanes) {
            self.watch(ticket, now)
        } else {
            Watched::Counted
        }
    }

    /// The call's answer is in, though the call goes on.
    pub(in crate::breaker) fn answer(
        &mut self,
        ticket: &mut Ticket,
        watch: Watched,
        lanes: &Lanes,
        now: Timestamp,
    ) -> Watched {
        ticket.answer(now);
        if !self.finish(ticket, watch, lanes) {
            return Watched::Counted;
        }
        self.drop_stale_watches();
        match ticket.streaming_deadline(now).filter(|_| self.counts(ticket)) {
            Some(due) => Watched::Lasting(self.streaming.watch(now, due)),
            None => Watched::No,
        }
    }

    pub(in crate::breaker) fn settle(
        &mut self,
        ticket: Ticket,
        watch: Watched,
        completion: Completion,
        lanes: &Lanes,
        now: Timestamp,
    ) {
        self.ended += 1;
        let was_good = matches!(watch, Watched::Lasting(_));
        let on_time = self.finish(&ticket, watch, lanes);
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

    /// The latency of a call to the backup, where it is timed.
    pub(in crate::breaker) fn end_backup(
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

/// Where a call is watched.
#[derive(Clone, Copy, Debug)]
pub(in crate::breaker) enum Watched {
    /// It has no time limit.
    No,
    /// In its lane, or where its lane's calls went.
    Passed { lane: usize, slot: Slot },
    /// Among those with no answer yet.
    Unanswered(Slot),
    /// Among those whose answer goes on and on.
    Lasting(Slot),
    /// Its time was up before, and it was counted then.
    Counted,
}
