//! A permit to make one call, on the fast path or under the lock, and how it ends.
//!
//! Every permit ends exactly once: recorded, released, or dropped, which cancels the call. A call
//! that began on the fast path moves to the slow one where its end needs more than a count.

use std::{fmt, mem::forget, sync::Arc, time::Duration};

use super::{
    calls::Deadline,
    fast_path::{FastPermit, TimedFastPermit},
    shard_handle::ShardHandle,
    snapshot::LastError,
    state::LockedState,
    timeline::CallTimeline,
};
use crate::{
    machine::{Completion, Outcome, Ticket, Timestamp},
    observe::Stamp,
};

/// A permit to make one call. The call ends when the outcome is recorded or the permit is dropped.
///
/// A dropped permit is a cancelled call: neutral, unless it had been slow by then (see
/// [`CancelledCalls`](crate::config::CancelledCalls)). A permit does not keep the breaker alive. If
/// every layer, service and [`Breaker`](crate::Breaker) is dropped first, its outcome may not be
/// counted.
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

pub(super) enum Call {
    /// A call on the fast path: to a healthy primary, or to the backup while all are refused.
    Fast(FastPermit),
    /// A call to a healthy primary that is timed.
    FastTimed {
        handle: Arc<ShardHandle>,
        permit: TimedFastPermit,
    },
    // Boxed, so that the permit of a healthy call stays small.
    Primary {
        handle: Arc<ShardHandle>,
        held: Box<Held>,
    },
    Backup {
        handle: Arc<ShardHandle>,
        started: Timestamp,
    },
}

pub(super) struct Held {
    pub(super) ticket: Ticket,
    pub(super) deadline: Deadline,
    /// Kept where an observer wants each call.
    pub(super) timeline: Option<CallTimeline>,
}

impl Permit {
    /// A permit for a call that goes nowhere; it records nothing.
    pub(crate) const UNTRACKED: Self = Self { call: None };

    #[inline(always)]
    pub(super) fn of(call: Call) -> Self {
        Self { call: Some(call) }
    }

    /// Takes the permit of a call on the fast path that isn't timed; others stay where they are.
    /// [`Option::take`] reads 16 bytes together and waits for what was just written in words: that
    /// is 10 ns of the 19 that a healthy call then takes.
    #[inline(always)]
    pub(crate) fn take_fast(place: &mut Option<Self>) -> Option<Self> {
        let Some(Self {
            call: Some(Call::Fast(permit)),
        }) = place
        else {
            return None;
        };
        let permit = permit.clone();
        // What is left there has been copied, and ends nothing.
        forget(place.take());
        Some(Self::of(Call::Fast(permit)))
    }

    /// Returns a handle to the breaker; `None` for a call that goes nowhere, or whose breaker is
    /// gone.
    pub(crate) fn handle(&self) -> Option<Arc<ShardHandle>> {
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

    /// Returns whether the call goes to the backup.
    #[must_use]
    pub fn is_backup(&self) -> bool {
        match &self.call {
            Some(Call::Fast(permit)) => permit.is_diverted(),
            call => matches!(call, Some(Call::Backup { .. })),
        }
    }

    /// Returns whether anything is called at all: a rejection calls nothing.
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

    /// Ends the permit unused: the primary was never called, for no fault of its own.
    pub(crate) fn release(mut self) {
        if let Some(call) = self.call.take() {
            call.end(Completion::Unused);
        }
    }

    /// Notes that the answer is in, though the call goes on. What follows, a body for example, is
    /// not latency.
    ///
    /// In half-open, an answer that then goes on for as long as a probe is given counts as good: a
    /// stream may never end.
    pub fn answered(&mut self) {
        if let Some((handle, held)) = self.stop() {
            let answered = held.change(handle, LockedState::answer);
            if let (Some(timeline), Some(answered)) = (&mut held.timeline, answered) {
                timeline.answer(answered);
            }
        }
    }

    /// Keeps the first 200 bytes of this as the primary's [last
    /// error](crate::Snapshot::last_error). It decides nothing, so record the outcome as well.
    /// Nothing is kept of a call to the backup.
    pub fn note_error(&mut self, error: &dyn fmt::Display) {
        if self.is_backup() {
            return;
        }
        if let Some(handle) = self.handle() {
            let shared = &handle.shared;
            // A user's code, so not under the lock.
            let error = Box::new(LastError::new(error, shared.now()));
            let old = shared.update(|state, _| state.last_error.replace(error));
            drop(old);
        }
    }

    /// Notes that the primary asked to be left alone for so long. A trip within that time heeds it
    /// if the breaker
    /// [honors `Retry-After`](crate::recovery::OpenDuration::honor_retry_after).
    pub fn note_retry_after(&mut self, pause: Duration) {
        if let Some((handle, held)) = self.stop() {
            handle
                .shared
                .update(|state, now| state.machine.asked_for_pause(&held.ticket, pause, now));
        }
    }

    /// Starts the call now, if it hasn't started yet: what came before was waiting.
    #[inline]
    pub(crate) fn start(&mut self) {
        if let Some(Call::Primary { handle, held }) = &mut self.call {
            held.start(handle);
        }
    }

    /// Returns whether the call may be made, if the primary is ready when first polled. It takes no
    /// lock.
    pub(crate) fn is_expected(&self) -> bool {
        let Some(Call::Primary { handle, held }) = &self.call else {
            return false;
        };
        held.ticket.is_expected() && held.ticket.generation() == handle.shared.generation()
    }

    /// Notes that the primary was ready when first polled: the call started when it was admitted.
    pub(crate) fn start_as_expected(&mut self) {
        if let Some(Call::Primary { held, .. }) = &mut self.call {
            held.ticket.start_as_expected();
        }
    }

    /// Notes that the primary wasn't ready when first polled: the call waits from here on.
    pub(crate) fn wait(&mut self) {
        if let Some(Call::Primary { handle, held }) = &mut self.call {
            held.change(handle, |state, ticket, deadline, now| {
                ticket.wait();
                state.watch_anew(ticket, deadline, now)
            });
        }
    }

    #[inline(never)]
    fn cancel(&mut self) {
        if let Some(call) = self.call.take() {
            call.end(Completion::Cancelled);
        }
    }

    /// Moves a call to the primary from the fast path to the slow one, and returns what is held of
    /// it.
    fn stop(&mut self) -> Option<(&ShardHandle, &mut Held)> {
        let call = self.call.as_mut()?;
        let held = |(ticket, deadline)| {
            let timeline = None;
            Box::new(Held {
                ticket,
                deadline,
                timeline,
            })
        };
        match call {
            Call::Fast(permit) if !permit.is_diverted() => {
                let handle = permit.breaker()?.handle().clone();
                let held = held((permit.ticket(), Deadline::None));
                drop(permit.slow_end());
                *call = Call::Primary { handle, held };
            }
            Call::FastTimed { handle, permit } => {
                let held = held(handle.take_over(permit));
                *call = Call::Primary {
                    handle: handle.clone(),
                    held,
                };
            }
            Call::Fast(_) | Call::Primary { .. } | Call::Backup { .. } => {}
        }
        match call {
            Call::Primary { handle, held } => Some((handle, held)),
            _ => None,
        }
    }
}

impl Call {
    fn handle(&self) -> Option<Arc<ShardHandle>> {
        match self {
            Self::Fast(permit) => Some(permit.breaker()?.handle().clone()),
            Self::FastTimed { handle, .. } | Self::Primary { handle, .. } | Self::Backup { handle, .. } => {
                Some(handle.clone())
            }
        }
    }

    #[inline(always)]
    fn end(self, completion: Completion) {
        match self {
            Self::Fast(permit) if completion == Completion::SUCCESS && permit.end_good() => {}
            Self::FastTimed { handle, permit } if completion == Completion::SUCCESS => handle.end_timed(&permit),
            call => call.end_slow(completion),
        }
    }

    #[inline(never)]
    fn end_slow(self, completion: Completion) {
        match self {
            Self::Fast(permit) => {
                // Counted last, so that the block is still this breaker's when its owner is asked
                // for.
                let _end = permit.slow_end();
                match permit.breaker() {
                    Some(breaker) if permit.is_diverted() => breaker.handle().end_backup(None, completion),
                    Some(breaker) => breaker.handle().end_slow(&permit, completion),
                    None => {}
                }
            }
            Self::FastTimed { handle, permit } => handle.end_timed_slow(&permit, completion),
            Self::Primary { handle, held } => held.end(&handle, completion),
            Self::Backup { handle, started } => handle.end_backup(Some(started), completion),
        }
    }
}

impl Held {
    #[inline(never)]
    fn start(&mut self, handle: &ShardHandle) {
        if self.ticket.has_started() {
            return;
        }
        let started = self.change(handle, |state, ticket, deadline, now| {
            // The call of an expired reservation is made all the same; its outcome is stale.
            state.machine.claim(ticket, now);
            ticket.start(now);
            state.watch_anew(ticket, deadline, now)
        });
        if let Some(started) = started {
            // A reservation that is never claimed was no call.
            self.timeline
                .get_or_insert_with(|| CallTimeline::new(started, true))
                .start(started);
        }
    }

    fn change(
        &mut self,
        handle: &ShardHandle,
        step: impl FnOnce(&mut LockedState, &mut Ticket, Deadline, Timestamp) -> Deadline,
    ) -> Option<Stamp> {
        let (ticket, deadline) = (&mut self.ticket, self.deadline);
        let (changed, stamp) = handle.shared.step(|state, now| step(state, ticket, deadline, now));
        self.deadline = changed;
        stamp
    }

    fn end(self, handle: &ShardHandle, completion: Completion) {
        let Self {
            ticket,
            deadline,
            timeline,
        } = self;
        let shared = &handle.shared;
        let ((), ended) = shared.step(|state, now| state.settle(ticket, deadline, completion, now));
        if let (Some(timeline), Some(ended)) = (timeline, ended) {
            shared.notify_call(&timeline.record(shared.name.clone(), completion, ended));
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
                &self.handle().map_or("".into(), |handle| handle.shared.name.clone()),
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
