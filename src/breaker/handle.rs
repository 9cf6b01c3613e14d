use std::sync::Arc;

use super::{
    Permit,
    inner::Inner,
    lanes::{Stopped, TimedPass},
    pass::Pass,
    shared::{Core, GOOD, Watched},
    trail::Trail,
};
use crate::{
    error::CircuitOpen,
    machine::{Completion, Refusal, Ticket, Timestamp},
    observe::BackupRecord,
};

/// A breaker as the calls of one lane see it. Those that need more than the lanes hold one, and lanes don't count each other's.
#[repr(align(64))]
pub(crate) struct Handle {
    pub(super) inner: Arc<Inner>,
    lane: usize,
}

/// The primary may not have a call: what its caller is told, and the permit for what takes the primary's place.
pub(crate) struct Refused {
    pub(crate) open: CircuitOpen,
    pub(crate) permit: Permit,
}

impl Handle {
    pub(super) fn for_each_lane(inner: &Arc<Inner>) -> Arc<[Arc<Self>]> {
        let lanes = inner.shared.lanes().each().len().max(1);
        let handle = |lane| {
            Arc::new(Self {
                inner: inner.clone(),
                lane,
            })
        };
        (0..lanes).map(handle).collect()
    }

    /// A permit for a call that nobody has to look at, but for the clock.
    #[inline(always)]
    pub(super) fn pass_timed(self: &Arc<Self>, terms: u64) -> Result<Permit, Stopped> {
        let inner = &self.inner;
        let pass = inner.shared.lanes().start_timed(terms, self.lane, &*inner.clock)?;
        Ok(Permit::timed(self.clone(), pass))
    }

    #[inline(never)]
    pub(super) fn acquire(self: &Arc<Self>, now: Timestamp, has_backup: bool) -> Result<Permit, Refused> {
        self.acquire_at(now, has_backup, Core::admit)
    }

    #[inline(never)]
    pub(super) fn acquire_waiting(self: &Arc<Self>, now: Timestamp, has_backup: bool) -> Result<Permit, Refused> {
        self.acquire_at(now, has_backup, Core::admit_waiting)
    }

    pub(super) fn acquire_reserved(self: &Arc<Self>, now: Timestamp) -> Permit {
        let ((ticket, watch), moment) = self.inner.step_at(now, |core, _, now| {
            let ticket = core.admit_reserved(now);
            core.watched(ticket, now)
        });
        let trail = moment.map(|moment| Trail::new(moment, ticket.has_started()));
        Permit::primary(self.clone(), ticket, watch, trail)
    }

    /// A permit for a call of the trial, where there is one to be made.
    pub(super) fn acquire_for_trial(self: &Arc<Self>) -> Option<Permit> {
        let (admitted, moment) = self.inner.step(|core, _, now| {
            let ticket = core.admit_to_trial(now)?;
            Some(core.watched(ticket, now))
        });
        let (ticket, watch) = admitted?;
        let trail = moment.map(|moment| Trail::new(moment, ticket.has_started()));
        Some(Permit::primary(self.clone(), ticket, watch, trail))
    }

    pub(super) fn reserve(self: &Arc<Self>) -> Result<Option<Permit>, CircuitOpen> {
        self.inner
            .update(|core, _, now| core.reserve(now))
            .map(|ticket| ticket.map(|ticket| Permit::primary(self.clone(), ticket, Watched::No, None)))
            .map_err(|refusal| self.inner.circuit_open(refusal))
    }

    pub(super) fn divert(self: &Arc<Self>, has_backup: bool) -> Refused {
        let (refusal, now) = self.inner.update(|core, _, now| {
            core.totals.refused += 1;
            core.totals.backup.calls += u64::from(has_backup);
            (core.machine.refusal(now), now)
        });
        self.refused(refusal, has_backup, now)
    }

    /// The permit of a call to the backup, of what failed on the primary.
    pub(crate) fn failed_over_permit(self: &Arc<Self>) -> Permit {
        let started = self.inner.update(|core, _, now| {
            core.totals.backup.calls += 1;
            core.totals.failed_over += 1;
            now
        });
        Permit::backup(self.clone(), started)
    }

    /// A backup's calls are counted; a rejection is no call.
    fn refused(self: &Arc<Self>, refusal: Refusal, has_backup: bool, now: Timestamp) -> Refused {
        Refused {
            open: self.inner.circuit_open(refusal),
            permit: if has_backup {
                Permit::backup(self.clone(), now)
            } else {
                Permit::OF_NOTHING
            },
        }
    }

    fn acquire_at(
        self: &Arc<Self>,
        now: Timestamp,
        has_backup: bool,
        admit: impl FnOnce(&mut Core, Timestamp) -> Result<Ticket, Refusal>,
    ) -> Result<Permit, Refused> {
        let (admitted, moment) = self.inner.step_at(now, |core, _, now| match admit(core, now) {
            Ok(ticket) => Ok(core.watched(ticket, now)),
            Err(refusal) => {
                core.totals.backup.calls += u64::from(has_backup);
                Err(refusal)
            }
        });
        match admitted {
            Ok((ticket, watch)) => {
                let trail = moment.map(|moment| Trail::new(moment, ticket.has_started()));
                Ok(Permit::primary(self.clone(), ticket, watch, trail))
            }
            Err(refusal) => {
                if let Some(moment) = moment {
                    self.inner.notify_immediate(moment, false, Completion::Refused);
                }
                Err(self.refused(refusal, has_backup, now))
            }
        }
    }

    /// The ticket that a call which passed would have had.
    pub(super) fn stopped(&self, pass: &Pass) -> (Ticket, Watched) {
        self.inner.shared.read(|core| core.stopped(pass.tag()))
    }

    pub(super) fn stopped_timed(&self, pass: &TimedPass) -> (Ticket, Watched) {
        self.inner.shared.read(|core| core.stopped_timed(pass, self.lane))
    }

    /// The end of a good call that passed, and is timed.
    #[inline(never)]
    pub(super) fn end_timed(&self, mut pass: TimedPass) {
        let inner = &self.inner;
        let lanes = inner.shared.lanes();
        if let Err(now) = lanes.finish_timed(self.lane, &mut pass, &*inner.clock) {
            self.end_stopped_timed(&pass, GOOD, Some(now));
        }
    }

    /// The end of a timed call that passed, and that somebody has to look at.
    #[inline(never)]
    pub(super) fn end_stopped_timed(&self, pass: &TimedPass, completion: Completion, stopped: Stopped) {
        let now = stopped.unwrap_or_else(|| self.inner.now());
        self.inner.update_at(now, |core, lanes, now| {
            let (ticket, watch) = core.stopped_timed(pass, self.lane);
            core.settle(ticket, watch, completion, lanes, now);
        });
    }

    /// The end of a call that passed, and that somebody has to look at.
    pub(super) fn end_stopped(&self, pass: &Pass, completion: Completion) {
        self.inner.update(|core, lanes, now| {
            let (ticket, watch) = core.stopped(pass.tag());
            core.settle(ticket, watch, completion, lanes, now);
        });
    }

    /// The end of a call to the backup. Where somebody wants to be told of each, each is timed.
    pub(super) fn end_backup(&self, started: Option<Timestamp>, completion: Completion) {
        let inner = &self.inner;
        let latency = inner.update(|core, _, now| core.end_backup(completion, started, now));
        if let Some(latency) = latency.filter(|_| inner.sinks.observes_calls()) {
            inner.sinks.notify_backup_call(&BackupRecord {
                breaker: inner.name.clone(),
                completion,
                latency,
            });
        }
    }
}
