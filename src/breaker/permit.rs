use std::{fmt, mem::forget, sync::Arc, time::Duration};

use super::{
    Handle,
    lanes::{Lanes, TimedPass},
    last_error::LastError,
    pass::Pass,
    shared::{Core, GOOD, Watched},
    trail::Trail,
};
use crate::{
    machine::{Completion, Outcome, Ticket, Timestamp},
    observe::Stamp,
};

/// The right to make one call, which ends when the outcome is recorded or the permit is dropped.
///
/// Dropped, it is a cancelled call: neutral, unless it had been slow by then (see [`CancelledCalls`](crate::config::CancelledCalls)). It doesn't keep the breaker:
/// how a call ends whose breaker nobody holds any more, no layer and no service, may count nowhere.
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
    /// `None` for a call that goes nowhere, and once it has ended.
    call: Option<Call>,
}

enum Call {
    /// One of a healthy primary.
    Passed(Pass),
    Timed {
        handle: Arc<Handle>,
        pass: TimedPass,
    },
    // Boxed, so that the permit of a healthy call stays small.
    Primary {
        handle: Arc<Handle>,
        held: Box<Held>,
    },
    /// One to the backup, while all are refused.
    Diverted(Pass),
    Backup {
        handle: Arc<Handle>,
        started: Timestamp,
    },
}

struct Held {
    ticket: Ticket,
    watch: Watched,
    /// Where somebody wants to be told of each call.
    trail: Option<Trail>,
}

impl Permit {
    #[inline(always)]
    pub(super) fn passed(pass: Pass) -> Self {
        Self::of(Call::Passed(pass))
    }

    #[inline(always)]
    pub(super) fn timed(handle: Arc<Handle>, pass: TimedPass) -> Self {
        Self::of(Call::Timed { handle, pass })
    }

    pub(super) fn primary(handle: Arc<Handle>, ticket: Ticket, watch: Watched, trail: Option<Trail>) -> Self {
        let held = Box::new(Held { ticket, watch, trail });
        Self::of(Call::Primary { handle, held })
    }

    #[inline(always)]
    pub(super) fn diverted(pass: Pass) -> Self {
        Self::of(Call::Diverted(pass))
    }

    pub(super) fn backup(handle: Arc<Handle>, started: Timestamp) -> Self {
        Self::of(Call::Backup { handle, started })
    }

    /// A permit that records nothing, for a call that goes nowhere.
    pub(crate) const OF_NOTHING: Self = Self { call: None };

    #[inline(always)]
    fn of(call: Call) -> Self {
        Self { call: Some(call) }
    }

    /// Takes the permit of a healthy call that isn't timed; others stay where they are.
    #[inline(always)]
    pub(crate) fn take_passed(place: &mut Option<Self>) -> Option<Self> {
        let pass = |place: &_| match place {
            Some(Self {
                call: Some(Call::Passed(pass)),
            }) => Some(pass.clone()),
            _ => None,
        };
        Self::take_by_words(place, pass).map(Self::passed)
    }

    /// Takes the permit of a call to the backup that isn't timed; others stay where they are. (In one with the other, they cost each other what this is for.)
    #[inline(always)]
    pub(crate) fn take_diverted(place: &mut Option<Self>) -> Option<Self> {
        let pass = |place: &_| match place {
            Some(Self {
                call: Some(Call::Diverted(pass)),
            }) => Some(pass.clone()),
            _ => None,
        };
        Self::take_by_words(place, pass).map(Self::diverted)
    }

    /// [`Option::take`] takes 16 bytes together, and waits for what was just written in words.
    #[inline(always)]
    fn take_by_words(place: &mut Option<Self>, pass: impl FnOnce(&Option<Self>) -> Option<Pass>) -> Option<Pass> {
        let pass = pass(place)?;
        // What is left there has been copied, and ends nothing.
        forget(place.take());
        Some(pass)
    }

    /// `None` for a call that goes nowhere, or whose breaker nobody holds any more.
    pub(crate) fn handle(&self) -> Option<Arc<Handle>> {
        self.call.as_ref()?.handle()
    }

    /// Ends the call with this outcome. Its latency is the time since the call was started.
    #[inline(always)]
    pub fn record(mut self, outcome: Outcome) {
        let call = self.call.take();
        // Nothing is left to drop; and where it isn't dropped, it needn't be in memory.
        forget(self);
        if let Some(call) = call {
            call.end(Completion::Finished(outcome));
        }
    }

    /// Whether the call is one to the backup.
    #[must_use]
    pub fn is_backup(&self) -> bool {
        matches!(&self.call, Some(Call::Diverted(_) | Call::Backup { .. }))
    }

    /// Whether anything is called at all: a rejection calls nothing.
    #[inline]
    pub(crate) fn is_for_a_call(&self) -> bool {
        self.call.is_some()
    }

    #[inline]
    pub(super) fn ticket(&self) -> Option<&Ticket> {
        match self.call.as_ref()? {
            Call::Primary { held, .. } => Some(&held.ticket),
            _ => None,
        }
    }

    /// The primary was never called, for no fault of its own.
    pub(crate) fn release(mut self) {
        if let Some(call) = self.call.take() {
            call.end(Completion::Unused);
        }
    }

    /// The answer is in, though the call goes on: what follows, a body for example, is not latency.
    ///
    /// In half-open, an answer that then goes on for as long as a probe is given counts as good: a stream may never end.
    pub fn answered(&mut self) {
        if let Some((handle, held)) = self.stop() {
            let answered = held.change(handle, Core::answer);
            if let (Some(trail), Some(answered)) = (&mut held.trail, answered) {
                trail.answer(answered);
            }
        }
    }

    /// Keeps this as the primary's [last error](crate::Snapshot::last_error), to be looked at: its first 200 bytes. It decides nothing; record the outcome as well. Of
    /// a call to the backup nothing is kept.
    pub fn note_error(&mut self, error: &dyn fmt::Display) {
        if self.is_backup() {
            return;
        }
        if let Some(handle) = self.handle() {
            let inner = &handle.inner;
            // A user's code, so not under the lock.
            let error = Box::new(LastError::new(error, inner.now()));
            let old = inner.update(|core, _, _| core.last_error.replace(error));
            drop(old);
        }
    }

    /// The primary asked to be left alone for so long. Where
    /// [`OpenDuration::honor_retry_after`](crate::recovery::OpenDuration::honor_retry_after) is set, a trip within that time heeds it.
    pub fn retry_after(&mut self, pause: Duration) {
        if let Some((handle, held)) = self.stop() {
            handle
                .inner
                .update(|core, _, now| core.machine.asked_for_pause(&held.ticket, pause, now));
        }
    }

    /// The call starts now, if it hasn't yet: what came before was waiting.
    #[inline]
    pub(crate) fn start(&mut self) {
        if let Some(Call::Primary { handle, held }) = &mut self.call {
            held.start(handle);
        }
    }

    /// Whether the call may be made, as far as can be told without the lock, if the primary is ready when first asked.
    pub(crate) fn is_expected(&self) -> bool {
        let Some(Call::Primary { handle, held }) = &self.call else {
            return false;
        };
        held.ticket.is_expected() && held.ticket.generation() == handle.inner.shared.generation()
    }

    /// The primary was ready when first asked: the call has started when it was let through.
    pub(crate) fn start_as_expected(&mut self) {
        if let Some(Call::Primary { held, .. }) = &mut self.call {
            held.ticket.start_as_expected();
        }
    }

    /// The primary wasn't ready when first asked: the call waits from here on.
    pub(crate) fn wait(&mut self) {
        if let Some(Call::Primary { handle, held }) = &mut self.call {
            held.change(handle, |core, ticket, watch, lanes, now| {
                ticket.wait();
                core.watch_anew(ticket, watch, lanes, now)
            });
        }
    }

    #[inline(never)]
    fn cancel(&mut self) {
        if let Some(call) = self.call.take() {
            call.end(Completion::Cancelled);
        }
    }

    /// What is held of a call to the primary, now that somebody has to look at it, though it may have passed.
    fn stop(&mut self) -> Option<(&Handle, &mut Held)> {
        let call = self.call.as_mut()?;
        let held = |(ticket, watch)| {
            let trail = None;
            Box::new(Held { ticket, watch, trail })
        };
        match call {
            Call::Passed(pass) => {
                let handle = pass.breaker()?.handle().clone();
                let held = held(handle.stopped(pass));
                *call = Call::Primary { handle, held };
            }
            Call::Timed { handle, pass } => {
                let held = held(handle.stopped_timed(pass));
                *call = Call::Primary {
                    handle: handle.clone(),
                    held,
                };
            }
            Call::Primary { .. } | Call::Diverted(_) | Call::Backup { .. } => {}
        }
        match call {
            Call::Primary { handle, held } => Some((handle, held)),
            _ => None,
        }
    }
}

impl Call {
    fn handle(&self) -> Option<Arc<Handle>> {
        match self {
            Self::Passed(pass) | Self::Diverted(pass) => Some(pass.breaker()?.handle().clone()),
            Self::Timed { handle, .. } | Self::Primary { handle, .. } | Self::Backup { handle, .. } => {
                Some(handle.clone())
            }
        }
    }

    #[inline(always)]
    fn end(self, completion: Completion) {
        match self {
            Self::Passed(pass) if completion == GOOD && pass.end_good() => {}
            Self::Diverted(pass) if completion == GOOD && pass.end_backed_up() => {}
            Self::Timed { handle, pass } if completion == GOOD => handle.end_timed(pass),
            call => call.end_at_lock(completion),
        }
    }

    #[inline(never)]
    fn end_at_lock(self, completion: Completion) {
        match self {
            Self::Passed(pass) => {
                if let Some(breaker) = pass.breaker() {
                    breaker.handle().end_stopped(&pass, completion);
                }
            }
            Self::Diverted(pass) => {
                if let Some(breaker) = pass.breaker() {
                    breaker.handle().end_backup(None, completion);
                }
            }
            Self::Timed { handle, pass } => handle.end_stopped_timed(&pass, completion, None),
            Self::Primary { handle, held } => held.end(&handle, completion),
            Self::Backup { handle, started } => handle.end_backup(Some(started), completion),
        }
    }
}

impl Held {
    #[inline(never)]
    fn start(&mut self, handle: &Handle) {
        if self.ticket.has_started() {
            return;
        }
        let started = self.change(handle, |core, ticket, watch, lanes, now| {
            // A promise that has run out is kept all the same, and its outcome is stale.
            core.machine.claim(ticket, now);
            ticket.start(now);
            core.watch_anew(ticket, watch, lanes, now)
        });
        if let Some(started) = started {
            // A promise that is never used was no call.
            self.trail
                .get_or_insert_with(|| Trail::new(started, true))
                .start(started);
        }
    }

    fn change(
        &mut self,
        handle: &Handle,
        step: impl FnOnce(&mut Core, &mut Ticket, Watched, &Lanes, Timestamp) -> Watched,
    ) -> Option<Stamp> {
        let (ticket, watch) = (&mut self.ticket, self.watch);
        let (changed, moment) = handle
            .inner
            .step(|core, lanes, now| step(core, ticket, watch, lanes, now));
        self.watch = changed;
        moment
    }

    fn end(self, handle: &Handle, completion: Completion) {
        let Self { ticket, watch, trail } = self;
        let inner = &handle.inner;
        let ((), ended) = inner.step(|core, lanes, now| core.settle(ticket, watch, completion, lanes, now));
        if let (Some(trail), Some(ended)) = (trail, ended) {
            inner.notify_call(&trail.record(inner.name.clone(), completion, ended));
        }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.is_for_a_call() {
            self.cancel();
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field(
                "breaker",
                &self.handle().map_or("".into(), |handle| handle.inner.name.clone()),
            )
            .field("backup", &self.is_backup())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_small() {
        assert!(size_of::<Permit>() <= 40, "{}", size_of::<Permit>());
    }
}
