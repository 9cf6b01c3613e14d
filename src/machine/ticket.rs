//! Tickets: the right to make one call, and the machine's twin of the breaker's `Permit`.
//!
//! A [`Ticket`] carries what its call is judged by: the generation that admitted it, when it
//! started, and the limits that were in force then. The machine issues it, the driver keeps it with
//! the call and gives it back with the call's end. A caller who gets none gets a [`Refusal`].

use std::time::Duration;

use super::{
    completion::{Assessment, CancelledCalls, Completion, Outcome, Settled},
    time::Timestamp,
};

/// A right to make one call. Its holder owes the machine a [`settle`](super::Machine::settle).
#[derive(Debug)]
#[must_use = "a ticket that is never settled may hold the only probe"]
pub struct Ticket {
    generation: u64,
    start: Start,
    /// When the answer was in, where that is before the call's end.
    answered: Option<Timestamp>,
    slow_after: Option<Duration>,
    time_limit: Option<Duration>,
    reservation: Option<u64>,
    /// Whether its outcome is recorded at all.
    recorded: bool,
    sampled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// The call waits for the primary's readiness, or is only reserved.
    Pending,
    /// The primary hasn't been asked yet. If it is ready then, the call has started here.
    Expected(Timestamp),
    /// The call has started here.
    At(Timestamp),
    /// The call has started, and nothing depends on when that was.
    Untimed,
}

impl Ticket {
    /// The generation of calls that no machine tracks.
    pub(crate) const UNTRACKED: u64 = 0;

    pub(super) fn new(
        generation: u64,
        now: Timestamp,
        slow_after: Option<Duration>,
        time_limit: Option<Duration>,
        reservation: Option<u64>,
    ) -> Self {
        Self {
            generation,
            start: if reservation.is_none() {
                Start::At(now)
            } else {
                Start::Pending
            },
            answered: None,
            slow_after,
            time_limit,
            reservation,
            recorded: true,
            sampled: false,
        }
    }

    /// Returns the ticket of a call that started inside a
    /// [batch window](super::Machine::batch_window), for which the machine wasn't asked.
    pub(crate) fn batched(generation: u64, started: Option<Timestamp>, slow_after: Option<Duration>) -> Self {
        Self {
            start: started.map_or(Start::Untimed, Start::At),
            ..Self::new(generation, Timestamp::START, slow_after, None, None)
        }
    }

    pub(super) fn sampled(self, sampled: bool) -> Self {
        Self { sampled, ..self }
    }

    pub(super) fn unrecorded(self) -> Self {
        Self {
            recorded: false,
            ..self
        }
    }

    /// Returns whether its outcome is recorded at all: not where the breaker was disabled.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Returns whether the machine learns from it how long calls take: see
    /// [`SlowAfter::Learned`](super::SlowAfter::Learned).
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// Returns a ticket that no machine issued, for a call whose reservation has lapsed. Its
    /// outcome is stale.
    pub fn untracked(now: Timestamp) -> Self {
        Self::new(Self::UNTRACKED, now, None, None, None)
    }

    /// Returns the generation of calls that it belongs to.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns whether the call is only reserved so far: see
    /// [`Machine::reserve`](super::Machine::reserve).
    #[must_use]
    pub fn is_reservation(&self) -> bool {
        self.reservation.is_some()
    }

    /// Returns whether the primary has been called.
    #[must_use]
    pub fn has_started(&self) -> bool {
        matches!(self.start, Start::At(_) | Start::Untimed)
    }

    /// Returns whether the primary is still to be asked for the first time if it is ready for the
    /// call.
    pub(crate) fn is_expected(&self) -> bool {
        matches!(self.start, Start::Expected(_))
    }

    pub(super) fn reservation(&self) -> Option<u64> {
        self.reservation
    }

    pub(super) fn take_reservation(&mut self) -> Option<u64> {
        self.reservation.take()
    }

    /// Notes that the call waits for the primary to be ready. That time is not latency.
    pub fn wait(&mut self) {
        self.start = Start::Pending;
    }

    /// Notes that the primary hasn't been called yet, and most likely is ready.
    pub(crate) fn expect(&mut self) {
        if let Start::At(admitted) = self.start {
            self.start = Start::Expected(admitted);
        }
    }

    /// Notes that the primary was ready: the call started when that was [expected](Self::expect).
    pub(crate) fn start_as_expected(&mut self) {
        if let Start::Expected(admitted) = self.start {
            self.start = Start::At(admitted);
        }
    }

    /// Notes that the primary is called: latency counts from here.
    pub fn start(&mut self, now: Timestamp) {
        self.start = Start::At(now);
    }

    /// Notes that the answer is in. What follows, a body for example, is not latency.
    pub fn answer(&mut self, now: Timestamp) {
        self.answered.get_or_insert(now);
    }

    /// Returns how long the call took, or has taken so far. `None` where the primary hasn't been
    /// called, and where the call isn't timed.
    #[must_use]
    pub fn elapsed(&self, now: Timestamp) -> Option<Duration> {
        match self.start {
            Start::At(started) => Some(self.answered.unwrap_or(now).since(started)),
            Start::Pending | Start::Expected(_) | Start::Untimed => None,
        }
    }

    /// Returns when an answer that began at `now` will have gone on for as long as a probe may
    /// take. `None` outside half-open.
    #[must_use]
    pub fn streaming_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        self.time_limit.map(|limit| now + limit)
    }

    /// Returns when the call is overdue, if it is still in flight then: past `slow_after`; or, in
    /// half-open, past the time that a probe may take.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<Timestamp> {
        match self.start {
            Start::At(started) | Start::Expected(started) => {
                let limits = [self.slow_after, self.time_limit];
                limits.into_iter().flatten().min().map(|limit| started + limit)
            }
            Start::Pending | Start::Untimed => self.time_limit.map(|limit| now + limit),
        }
    }

    /// Returns what the call's end is worth. A cancelled call is slow after `given_up_after`, too.
    pub(super) fn assess(
        &self,
        completion: Completion,
        cancelled: CancelledCalls,
        given_up_after: Option<Duration>,
        now: Timestamp,
    ) -> Settled {
        let takes_longer = |limit| self.elapsed(now).is_some_and(|elapsed| elapsed > limit);
        let slow = self.slow_after.is_some_and(takes_longer);
        let counted = |failed| Settled::Counted(Assessment { failed, slow });
        match completion {
            Completion::Finished(Outcome::Success) => counted(false),
            Completion::Finished(Outcome::Failure) => counted(true),
            Completion::Finished(Outcome::Ignored) => Settled::Ignored,
            Completion::Unused | Completion::Refused => Settled::Unused,
            // The primary was never called.
            Completion::Cancelled if !self.has_started() => Settled::Cancelled,
            Completion::Cancelled => match cancelled {
                CancelledCalls::SlowIfOverdue if slow || given_up_after.is_some_and(takes_longer) => {
                    Settled::Counted(Assessment::SLOW)
                }
                CancelledCalls::Failure => counted(true),
                CancelledCalls::SlowIfOverdue | CancelledCalls::Ignore => Settled::Cancelled,
            },
        }
    }
}

/// An answer to a caller whose call may not go to the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// When to come back; `None` where only an operator can tell.
    pub retry_after: Option<Duration>,
}
