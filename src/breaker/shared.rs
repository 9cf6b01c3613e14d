use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    inflight::{Inflight, Watch},
    totals::Totals,
};
use crate::machine::{Ending, Machine, Outcome, Refusal, Ticket, Timestamp, Transition};

/// What the threads share: the machine, the calls in flight and the totals, behind one short lock.
#[derive(Debug)]
pub(super) struct Shared {
    core: Mutex<Core>,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) machine: Machine,
    /// Calls with no answer yet: they are slow when their time is up.
    unanswered: Inflight,
    /// In half-open, calls whose answer goes on and on: they are good when their time is up.
    lasting: Inflight,
    /// The generation that the watched calls belong to.
    watched: u64,
    pub(super) totals: Totals,
    pub(super) in_flight: u64,
    sequence: u64,
}

/// What a change of the core leaves to be announced, once the lock is released.
#[derive(Debug, Default)]
pub(super) struct Announcement {
    /// The number of the first of the changes.
    pub(super) sequence: u64,
    /// Each with its generation.
    pub(super) changes: Vec<(u64, Transition)>,
}

impl Shared {
    pub(super) fn new(machine: Machine) -> Self {
        Self {
            core: Mutex::new(Core {
                watched: machine.generation(),
                machine,
                unanswered: Inflight::default(),
                lasting: Inflight::default(),
                totals: Totals::default(),
                in_flight: 0,
                sequence: 0,
            }),
        }
    }

    /// Looks.
    pub(super) fn read<R>(&self, look: impl FnOnce(&Core) -> R) -> R {
        // A panic under the lock can come from a user's code only, which the machine isolates; its state is whole.
        look(&self.core.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Brings everything to `now`, then changes it.
    pub(super) fn update<R>(&self, now: Timestamp, change: impl FnOnce(&mut Core) -> R) -> (R, Announcement) {
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        core.find_overdue(now);
        let result = change(&mut core);
        core.drop_stale_watches();
        (result, core.announcement())
    }
}

impl Core {
    pub(super) fn admit(&mut self, now: Timestamp) -> Result<Ticket, Refusal> {
        let admitted = self.machine.admit(now);
        match &admitted {
            Ok(ticket) => self.note_start(ticket),
            Err(_) => self.totals.refused += 1,
        }
        admitted
    }

    /// `None` where no promise is needed. A promise isn't watched: it is no call yet, and runs out in the machine.
    pub(super) fn promise(&mut self, now: Timestamp) -> Result<Option<Ticket>, Refusal> {
        if self.machine.is_flowing(now) {
            return Ok(None);
        }
        let promised = self.machine.promise(now);
        promised.inspect(|ticket| self.note_start(ticket)).map(Some)
    }

    /// A call that goes to the primary even where the machine would rather not have it.
    pub(super) fn admit_promised(&mut self, now: Timestamp) -> Ticket {
        let ticket = self.machine.admit(now).unwrap_or_else(|_| Ticket::stranger(now));
        self.note_start(&ticket);
        ticket
    }

    fn note_start(&mut self, ticket: &Ticket) {
        self.in_flight += 1;
        self.totals.primary.calls += u64::from(ticket.is_recorded());
    }

    /// The ticket, and its place among the calls in flight.
    pub(super) fn watched(&mut self, ticket: Ticket, now: Timestamp) -> (Ticket, Option<Watched>) {
        let watch = self.watch(&ticket, now);
        (ticket, watch)
    }

    fn watch(&mut self, ticket: &Ticket, now: Timestamp) -> Option<Watched> {
        self.drop_stale_watches();
        let due = ticket.due(now).filter(|_| self.counts(ticket))?;
        Some(Watched::Unanswered(self.unanswered.watch(now, due)))
    }

    fn counts(&self, ticket: &Ticket) -> bool {
        ticket.is_recorded() && self.machine.is_current(ticket)
    }

    /// Whether the call had come to its end before its time was up.
    fn finish(&mut self, watch: Option<Watched>) -> bool {
        match watch {
            Some(Watched::Unanswered(watch)) => self.unanswered.finish(watch),
            Some(Watched::Lasting(watch)) => self.lasting.finish(watch),
            None => true,
        }
    }

    /// The call has waited for the primary's readiness long enough, and starts.
    pub(super) fn start(&mut self, ticket: &mut Ticket, watch: Option<Watched>, now: Timestamp) -> Standing {
        let on_time = self.finish(watch);
        ticket.start(now);
        if on_time {
            Standing::Open(self.watch(ticket, now))
        } else {
            Standing::Counted
        }
    }

    /// The call's answer is in, though the call goes on.
    pub(super) fn answer(&mut self, ticket: &mut Ticket, watch: Option<Watched>, now: Timestamp) -> Standing {
        let on_time = self.finish(watch);
        ticket.answer(now);
        if !on_time {
            return Standing::Counted;
        }
        self.drop_stale_watches();
        let due = ticket.lasting_at(now).filter(|_| self.counts(ticket));
        Standing::Open(due.map(|due| Watched::Lasting(self.lasting.watch(now, due))))
    }

    pub(super) fn settle(&mut self, ticket: Ticket, watch: Option<Watched>, ending: Ending, now: Timestamp) {
        let on_time = self.finish(watch);
        self.settle_call(ticket, on_time, ending, now);
    }

    /// As [`settle`](Self::settle), for a call whose place among the calls in flight is known.
    pub(super) fn settle_call(&mut self, ticket: Ticket, on_time: bool, ending: Ending, now: Timestamp) {
        self.in_flight -= 1;
        if !ticket.is_recorded() {
            return;
        }
        let latency = ticket.elapsed(now);
        if on_time || !self.machine.is_current(&ticket) {
            let settled = self.machine.settle(ticket, ending, now);
            self.totals.primary.note(settled, ending);
        } else {
            // It was counted as slow when it became overdue.
            self.totals.primary.note_end(ending);
        }
        self.totals.primary.note_latency(latency, ending);
    }

    pub(super) fn end_backup(&mut self, ending: Ending, started: Timestamp, now: Timestamp) {
        self.totals.backup.note_end(ending);
        self.totals.backup.note_latency(Some(now.since(started)), ending);
    }

    /// The primary's `poll_ready` failed, with no call to blame.
    pub(super) fn readiness_failed(&mut self, now: Timestamp) {
        self.totals.readiness.errors += 1;
        if let Ok(ticket) = self.machine.admit(now) {
            self.machine.settle(ticket, Ending::Finished(Outcome::Failure), now);
        }
    }

    pub(super) fn waited(&mut self, waited: Duration) {
        self.totals.readiness.waits += 1;
        self.totals.readiness.total = self.totals.readiness.total.saturating_add(waited);
    }

    fn find_overdue(&mut self, now: Timestamp) {
        while let Some(overdue) = self.unanswered.next_overdue(now) {
            for _ in 0..overdue.calls {
                self.totals.primary.slow += u64::from(self.machine.overdue(overdue.since, now));
                if self.drop_stale_watches() {
                    return;
                }
            }
        }
        while let Some(lasting) = self.lasting.next_overdue(now) {
            for _ in 0..lasting.calls {
                self.machine.lasting(now);
            }
        }
    }

    /// What was admitted before a trip is of no interest after it.
    fn drop_stale_watches(&mut self) -> bool {
        let stale = self.watched != self.machine.generation();
        if stale {
            self.unanswered.clear();
            self.lasting.clear();
            self.watched = self.machine.generation();
        }
        stale
    }

    fn announcement(&mut self) -> Announcement {
        let changes = self.machine.take_changes();
        let sequence = self.sequence;
        self.sequence += changes.len() as u64;
        Announcement { sequence, changes }
    }
}

/// Where a call is watched.
#[derive(Clone, Copy, Debug)]
pub(super) enum Watched {
    Unanswered(Watch),
    Lasting(Watch),
}

/// Whether a call's verdict is still to come.
#[derive(Debug)]
pub(super) enum Standing {
    /// It is, and the call is watched where it has a time limit.
    Open(Option<Watched>),
    /// Its time was up before, and it was counted then.
    Counted,
}
