use std::{fmt, time::Duration};

use super::{
    Breaker,
    shared::{Core, Watched},
    trail::Trail,
};
use crate::call_record::Moment;
use crate::machine::{Ending, Outcome, Ticket, Timestamp};

/// The right to make one call, which ends when the outcome is recorded or the permit is dropped.
///
/// Dropped, it is a cancelled call: neutral, unless it had been slow by then (see [`CancelledCalls`](crate::CancelledCalls)).
///
/// ```
/// use tower_breaker::{CircuitBreakerLayer, Outcome};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # fn query() -> Result<u32, std::io::Error> { Ok(7) }
/// let breaker = CircuitBreakerLayer::builder().name("database").build()?.breaker().clone();
///
/// let permit = breaker.try_acquire()?;
/// let answer = query();
/// permit.record(if answer.is_ok() { Outcome::Success } else { Outcome::Failure });
/// # Ok(())
/// # }
/// ```
#[must_use = "a permit that is dropped is a cancelled call"]
pub struct Permit {
    breaker: Breaker,
    kind: Kind,
    /// Where somebody wants to be told of each call.
    trail: Option<Box<Trail>>,
}

enum Kind {
    Primary { ticket: Ticket, watch: Watched },
    Backup { started: Timestamp },
    Done,
}

impl Permit {
    pub(super) fn primary(breaker: Breaker, ticket: Ticket, watch: Watched, trail: Option<Trail>) -> Self {
        Self {
            breaker,
            kind: Kind::Primary { ticket, watch },
            trail: trail.map(Box::new),
        }
    }

    pub(super) fn backup(breaker: Breaker, started: Timestamp) -> Self {
        Self {
            breaker,
            kind: Kind::Backup { started },
            trail: None,
        }
    }

    /// A permit that records nothing, for a call that goes nowhere.
    pub(super) fn of_nothing(breaker: Breaker) -> Self {
        Self {
            breaker,
            kind: Kind::Done,
            trail: None,
        }
    }

    /// Ends the call with this outcome. Its latency is the time since the call was started.
    pub fn record(mut self, outcome: Outcome) {
        self.end(Ending::Finished(outcome));
    }

    /// Whether the call is one to the backup.
    #[must_use]
    pub fn is_backup(&self) -> bool {
        matches!(self.kind, Kind::Backup { .. })
    }

    /// Whether anything is called at all: a rejection calls nothing.
    pub(crate) fn is_for_a_call(&self) -> bool {
        !matches!(self.kind, Kind::Done)
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(super) fn ticket(&self) -> Option<&Ticket> {
        match &self.kind {
            Kind::Primary { ticket, .. } => Some(ticket),
            Kind::Backup { .. } | Kind::Done => None,
        }
    }

    /// The primary was never called, for no fault of its own.
    pub(crate) fn release(mut self) {
        self.end(Ending::Unused);
    }

    /// The answer is in, though the call goes on: what follows, a body for example, is not latency.
    ///
    /// In half-open, an answer that then goes on for as long as a probe is given counts as good: a stream may never end.
    pub fn answered(&mut self) {
        let answered = self.change(Core::answer);
        if let (Some(trail), Some(answered)) = (&mut self.trail, answered) {
            trail.answer(answered);
        }
    }

    /// The primary asked to be left alone for so long. Where
    /// [`OpenDuration::honour_retry_after`](crate::OpenDuration::honour_retry_after) is set, a trip within that time heeds it.
    pub fn retry_after(&mut self, pause: Duration) {
        if let Kind::Primary { ticket, .. } = &self.kind {
            self.breaker
                .update(|core, now| core.machine.asked_for_pause(ticket, pause, now));
        }
    }

    /// The call starts now, if it hasn't yet: what came before was waiting.
    pub(crate) fn start(&mut self) {
        if self.ticket().is_none_or(Ticket::has_started) {
            return;
        }
        let started = self.change(|core, ticket, watch, now| {
            // A promise that has run out is kept all the same, and its outcome is stale.
            core.machine.redeem(ticket, now);
            core.start(ticket, watch, now)
        });
        if let Some(started) = started {
            // A promise that is never used was no call.
            let trail = || Box::new(Trail::new(started, true));
            self.trail.get_or_insert_with(trail).start(started);
        }
    }

    fn change(&mut self, step: impl FnOnce(&mut Core, &mut Ticket, Watched, Timestamp) -> Watched) -> Option<Moment> {
        let Kind::Primary { ticket, watch } = &mut self.kind else {
            return None;
        };
        let (changed, moment) = self.breaker.step(|core, now| step(core, ticket, *watch, now));
        *watch = changed;
        moment
    }

    fn end(&mut self, ending: Ending) {
        match std::mem::replace(&mut self.kind, Kind::Done) {
            Kind::Primary { ticket, watch } => {
                let (trail, breaker) = (self.trail.take(), &self.breaker);
                let ((), ended) = breaker.step(|core, now| core.settle(ticket, watch, ending, now));
                if let (Some(trail), Some(ended)) = (trail, ended) {
                    breaker.tell_call(&trail.record(breaker.inner.name.clone(), ending.into(), ended));
                }
            }
            Kind::Backup { started } => {
                self.breaker.update(|core, now| core.end_backup(ending, started, now));
            }
            Kind::Done => {}
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.end(Ending::Cancelled);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("breaker", &self.breaker.name())
            .field("backup", &self.is_backup())
            .finish_non_exhaustive()
    }
}
