//! A handle to the breaker for each shard, and what the calls of that shard do under the lock.
//!
//! Permits that need more than the shards hold a handle. Each shard has its own, so that threads
//! don't contend on one reference count.

use std::{mem::forget, sync::Arc};

use super::{
    calls::Deadline,
    fast_path::{FastPermit, GateWord, SlowEnd, SlowPath, TimedFastPermit},
    permit::{Call, Held, Permit},
    shared::SharedBreaker,
    state::LockedState,
    timeline::CallTimeline,
};
use crate::{
    error::CircuitOpen,
    machine::{Completion, Refusal, Ticket, Timestamp},
    observe::{BackupRecord, Stamp},
};

/// A handle to the breaker for the calls of one shard.
#[repr(align(64))]
pub(crate) struct ShardHandle {
    pub(super) shared: Arc<SharedBreaker>,
    shard: usize,
}

/// A refused call: what its caller is told, and the permit for what takes the primary's place.
pub(crate) struct Refused {
    pub(crate) open: CircuitOpen,
    pub(crate) permit: Permit,
}

impl ShardHandle {
    pub(super) fn for_each_shard(shared: &Arc<SharedBreaker>) -> Arc<[Arc<Self>]> {
        let handle = |shard| {
            Arc::new(Self {
                shared: shared.clone(),
                shard,
            })
        };
        (0..shared.shards.count()).map(handle).collect()
    }

    /// Returns a permit on the fast path for a call that is timed.
    #[inline(always)]
    pub(super) fn start_timed(self: &Arc<Self>, word: GateWord) -> Result<Permit, SlowPath> {
        let shared = &self.shared;
        let permit = shared.shards.start_timed(word, self.shard, &*shared.clock)?;
        let handle = self.clone();
        Ok(Permit::of(Call::FastTimed { handle, permit }))
    }

    #[inline(never)]
    pub(super) fn acquire(self: &Arc<Self>, now: Timestamp, has_backup: bool) -> Result<Permit, Refused> {
        self.acquire_at(now, has_backup, LockedState::admit)
    }

    #[inline(never)]
    pub(super) fn acquire_waiting(self: &Arc<Self>, now: Timestamp, has_backup: bool) -> Result<Permit, Refused> {
        self.acquire_at(now, has_backup, LockedState::admit_waiting)
    }

    pub(super) fn acquire_reserved(self: &Arc<Self>, now: Timestamp) -> Permit {
        let (call, stamp) = self.shared.step_at(now, |state, now| {
            let ticket = state.admit_reserved(now);
            state.watched(ticket, now)
        });
        self.permit(call, stamp)
    }

    /// Returns a permit for a call of the trial, where there is one to be made.
    pub(super) fn acquire_for_trial(self: &Arc<Self>) -> Option<Permit> {
        let (admitted, stamp) = self.shared.step(|state, now| {
            let ticket = state.admit_to_trial(now)?;
            Some(state.watched(ticket, now))
        });
        Some(self.permit(admitted?, stamp))
    }

    pub(super) fn reserve(self: &Arc<Self>) -> Result<Option<Permit>, CircuitOpen> {
        self.shared
            .update(LockedState::reserve)
            .map(|ticket| ticket.map(|ticket| self.permit((ticket, Deadline::None), None)))
            .map_err(|refusal| self.shared.circuit_open(refusal))
    }

    pub(super) fn divert(self: &Arc<Self>, has_backup: bool) -> Refused {
        let (refusal, now) = self.shared.update(|state, now| {
            state.totals.refused += 1;
            state.totals.backup.calls += u64::from(has_backup);
            (state.machine.refusal(now), now)
        });
        self.refused(refusal, has_backup, now)
    }

    /// Returns the permit of a call to the backup with what failed on the primary.
    pub(crate) fn failed_over_permit(self: &Arc<Self>) -> Permit {
        let started = self.shared.update(|state, now| {
            state.totals.backup.calls += 1;
            state.totals.failed_over += 1;
            now
        });
        self.backup_permit(started)
    }

    pub(super) fn backup_permit(self: &Arc<Self>, started: Timestamp) -> Permit {
        let handle = self.clone();
        Permit::of(Call::Backup { handle, started })
    }

    /// Returns a refusal under the lock. A backup's calls are counted; a rejection is no call.
    fn refused(self: &Arc<Self>, refusal: Refusal, has_backup: bool, now: Timestamp) -> Refused {
        Refused {
            open: self.shared.circuit_open(refusal),
            permit: if has_backup {
                self.backup_permit(now)
            } else {
                Permit::UNTRACKED
            },
        }
    }

    fn acquire_at(
        self: &Arc<Self>,
        now: Timestamp,
        has_backup: bool,
        admit: impl FnOnce(&mut LockedState, Timestamp) -> Result<Ticket, Refusal>,
    ) -> Result<Permit, Refused> {
        let (admitted, stamp) = self.shared.step_at(now, |state, now| match admit(state, now) {
            Ok(ticket) => Ok(state.watched(ticket, now)),
            Err(refusal) => {
                state.totals.backup.calls += u64::from(has_backup);
                Err(refusal)
            }
        });
        match admitted {
            Ok(call) => Ok(self.permit(call, stamp)),
            Err(refusal) => {
                if let Some(stamp) = stamp {
                    self.shared.notify_at_once(stamp, false, Completion::Refused);
                }
                Err(self.refused(refusal, has_backup, now))
            }
        }
    }

    fn permit(self: &Arc<Self>, (ticket, deadline): (Ticket, Deadline), admitted: Option<Stamp>) -> Permit {
        let timeline = admitted.map(|stamp| CallTimeline::new(stamp, ticket.has_started()));
        let held = Box::new(Held {
            ticket,
            deadline,
            timeline,
        });
        let handle = self.clone();
        Permit::of(Call::Primary { handle, held })
    }

    /// Returns the ticket of a timed call on the fast path, and where it is watched.
    pub(super) fn take_over(&self, permit: &TimedFastPermit) -> (Ticket, Deadline) {
        self.shared.shards.count_slow_end();
        (permit.ticket(), permit.deadline(self.shard))
    }

    /// Ends a good call that was timed on the fast path.
    #[inline(never)]
    pub(super) fn end_timed(&self, permit: &TimedFastPermit) {
        let shared = &self.shared;
        let slow_end = SlowEnd::of(&shared.shards);
        match shared.shards.finish_timed(self.shard, permit, &*shared.clock) {
            Ok(()) => forget(slow_end),
            Err((now, deadline)) => shared.update_at(now, |state, now| {
                state.settle(permit.ticket(), deadline, Completion::SUCCESS, now);
            }),
        }
    }

    /// Ends a timed call of the fast path under the lock.
    #[inline(never)]
    pub(super) fn end_timed_slow(&self, permit: &TimedFastPermit, completion: Completion) {
        let (ticket, deadline) = self.take_over(permit);
        self.shared
            .update(|state, now| state.settle(ticket, deadline, completion, now));
    }

    /// Ends a call of the fast path under the lock.
    pub(super) fn end_slow(&self, permit: &FastPermit, completion: Completion) {
        self.shared.update(|state, now| {
            state.settle(permit.ticket(), Deadline::None, completion, now);
        });
    }

    /// Ends a call to the backup. Where an observer wants each, each is timed.
    pub(super) fn end_backup(&self, started: Option<Timestamp>, completion: Completion) {
        let shared = &self.shared;
        let latency = shared.update(|state, now| state.end_backup(completion, started, now));
        if let Some(latency) = latency.filter(|_| shared.sinks.observes_calls()) {
            shared.sinks.notify_backup_call(&BackupRecord {
                breaker: shared.name.clone(),
                completion,
                latency,
            });
        }
    }
}
