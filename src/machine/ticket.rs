use std::time::Duration;

use super::{CancelledCalls, Timestamp};

/// How a call ended, as a classifier sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A good answer (unless it took too long).
    Success,
    /// The primary failed.
    Failure,
    /// It says nothing about the primary's health: the caller's own mistake, for example.
    Ignored,
}

/// How a ticket comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// There was an answer.
    Finished(Outcome),
    /// The caller gave up.
    Cancelled,
    /// The primary was never called.
    Unused,
}

/// What a verdict says of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Judgement {
    /// The primary failed.
    pub failed: bool,
    /// It took longer than `slow_after`, or was given up when it had taken longer than most: see
    /// [`CancelledCalls::SlowIfOverdue`](super::CancelledCalls::SlowIfOverdue).
    pub slow: bool,
}

impl Judgement {
    pub(super) const SLOW: Self = Self {
        failed: false,
        slow: true,
    };

    /// Failed, slow, or both.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        self.failed || self.slow
    }
}

/// What became of a settled ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    /// It counted, as this.
    Counted(Judgement),
    /// [`Outcome::Ignored`].
    Ignored,
    /// Its caller gave up in good time.
    Cancelled,
    /// The primary was never called.
    Unused,
    /// It was admitted before the last trip or manual change, and changed nothing.
    Stale,
    /// The breaker is disabled.
    Unrecorded,
}

/// The right to make one call. Whoever holds it owes the machine a [`settle`](super::Machine::settle).
#[derive(Debug)]
#[must_use = "a ticket that is never settled may hold the only probe"]
pub struct Ticket {
    generation: u64,
    start: Start,
    /// When the answer was in, where that is before the call's end.
    answered: Option<Timestamp>,
    slow_after: Option<Duration>,
    time_limit: Option<Duration>,
    lease: Option<u64>,
    /// Whether its outcome is recorded at all.
    recorded: bool,
    sampled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// The call waits for the primary's readiness, or is only promised.
    Pending,
    /// Nobody has asked the primary yet. If it is ready then, the call has started here.
    Expected(Timestamp),
    At(Timestamp),
    /// It has started, and nothing depends on when that was.
    Untimed,
}

impl Ticket {
    /// The generation of calls that belong to none.
    pub(crate) const STALE: u64 = 0;

    pub(super) fn new(
        generation: u64,
        now: Timestamp,
        slow_after: Option<Duration>,
        time_limit: Option<Duration>,
        lease: Option<u64>,
    ) -> Self {
        Self {
            generation,
            start: if lease.is_none() {
                Start::At(now)
            } else {
                Start::Pending
            },
            answered: None,
            slow_after,
            time_limit,
            lease,
            recorded: true,
            sampled: false,
        }
    }

    /// The ticket of a call that started while the machine was [calm](super::Machine::batch_window), and had none.
    pub(crate) fn passed(generation: u64, started: Option<Timestamp>, slow_after: Option<Duration>) -> Self {
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

    /// Whether its outcome is recorded at all: not where the breaker was disabled.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Whether the machine learns from it how long calls take: see [`SlowAfter::Learned`](super::SlowAfter::Learned).
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// A ticket that no machine issued: the call was promised before things changed. Its outcome is stale.
    pub fn stranger(now: Timestamp) -> Self {
        Self::new(Self::STALE, now, None, None, None)
    }

    /// Which generation of calls it belongs to.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the call has only been promised.
    #[must_use]
    pub fn is_promise(&self) -> bool {
        self.lease.is_some()
    }

    /// Whether the primary has been called.
    #[must_use]
    pub fn has_started(&self) -> bool {
        matches!(self.start, Start::At(_) | Start::Untimed)
    }

    /// Whether the primary is still to be asked for the first time if it is ready for the call.
    pub(crate) fn is_expected(&self) -> bool {
        matches!(self.start, Start::Expected(_))
    }

    pub(super) fn lease(&self) -> Option<u64> {
        self.lease
    }

    pub(super) fn take_lease(&mut self) -> Option<u64> {
        self.lease.take()
    }

    /// The call waits for the primary to be ready; that is not latency.
    pub fn wait(&mut self) {
        self.start = Start::Pending;
    }

    /// The primary hasn't been called yet, and most likely is ready.
    pub(crate) fn expect(&mut self) {
        if let Start::At(admitted) = self.start {
            self.start = Start::Expected(admitted);
        }
    }

    /// The primary was ready: the call has started when that was [expected](Self::expect).
    pub(crate) fn start_as_expected(&mut self) {
        if let Start::Expected(admitted) = self.start {
            self.start = Start::At(admitted);
        }
    }

    /// The primary is called: latency counts from here.
    pub fn start(&mut self, now: Timestamp) {
        self.start = Start::At(now);
    }

    /// The answer is in: what follows, a body for example, is not latency.
    pub fn answer(&mut self, now: Timestamp) {
        self.answered.get_or_insert(now);
    }

    /// How long the call took, or has taken so far; `None` where the primary hasn't been called, or nobody asked when.
    #[must_use]
    pub fn elapsed(&self, now: Timestamp) -> Option<Duration> {
        match self.start {
            Start::At(started) => Some(self.answered.unwrap_or(now).since(started)),
            Start::Pending | Start::Expected(_) | Start::Untimed => None,
        }
    }

    /// In half-open: when an answer that began at `now` has gone on for as long as a probe is given.
    #[must_use]
    pub fn lasting_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.time_limit.map(|limit| now + limit)
    }

    /// When the call is overdue, if it is still in flight then: past `slow_after`; or, in half-open, past the time that a
    /// probe is given.
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

    /// What its end is worth. A call that is given up is slow after `given_up_after`, too.
    pub(super) fn judge(
        &self,
        ending: Ending,
        cancelled: CancelledCalls,
        given_up_after: Option<Duration>,
        now: Timestamp,
    ) -> Settled {
        let takes_longer = |limit| self.elapsed(now).is_some_and(|elapsed| elapsed > limit);
        let slow = self.slow_after.is_some_and(takes_longer);
        let counted = |failed| Settled::Counted(Judgement { failed, slow });
        match ending {
            Ending::Finished(Outcome::Success) => counted(false),
            Ending::Finished(Outcome::Failure) => counted(true),
            Ending::Finished(Outcome::Ignored) => Settled::Ignored,
            Ending::Unused => Settled::Unused,
            // The primary was never called.
            Ending::Cancelled if !self.has_started() => Settled::Cancelled,
            Ending::Cancelled => match cancelled {
                CancelledCalls::SlowIfOverdue if slow || given_up_after.is_some_and(takes_longer) => {
                    Settled::Counted(Judgement::SLOW)
                }
                CancelledCalls::Failure => counted(true),
                CancelledCalls::SlowIfOverdue | CancelledCalls::Ignore => Settled::Cancelled,
            },
        }
    }
}

/// The primary may not have this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When to come back; `None` where only an operator can tell.
    pub retry_after: Option<Duration>,
}
