use std::time::Duration;

use super::{Judgement, Machine, Mode, Phase, Settled, Timestamp, yardstick::NextPick};

/// A window in which a good call that comes back in time changes nothing but counts, so that it may
/// be reported later: see [`Machine::good_calls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchWindow {
    pub(crate) generation: u64,
    /// A call that takes longer has to be reported at once.
    pub(crate) slow_after: Option<Duration>,
    /// Whether it matters how long calls take, or when they come back.
    pub(crate) is_timed: bool,
    /// From then on each call has to be reported at once.
    pub(crate) until: Timestamp,
    /// So many calls may start; the one after them has to be reported at once.
    pub(crate) pass_over: Option<u32>,
}

/// A batch of good calls, reported together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SuccessBatch {
    /// How many have started.
    pub(crate) started: u64,
    /// How many have come back.
    pub(crate) good: u64,
    /// When the last one did.
    pub(crate) last: Timestamp,
}

/// A window in which a refused call changes nothing but counts, so that it may be reported later:
/// see [`Machine::refused_calls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RejectWindow {
    /// From then on each call has to be reported at once.
    pub(crate) until: Timestamp,
    /// When callers are told to come back; `None` where only an operator can tell.
    pub(crate) retry_at: Option<Timestamp>,
}

/// What may be reported in batches.
impl Machine {
    /// Returns the window in which good calls may be reported in batches. Anything else is reported
    /// after the batch that came before it.
    pub(crate) fn batch_window(&self) -> Option<BatchWindow> {
        let Phase::Closed { tallies, quiet_until } = &self.phase else {
            return None;
        };
        if self.mode.mode != Mode::Automatic || *quiet_until > self.latest {
            return None;
        }
        let calm_until = tallies.calm_until(self.latest)?;
        let next_pick = self.is_learning().then(|| self.yardstick.next_pick());
        Some(BatchWindow {
            generation: self.generation,
            slow_after: self.slow_after(),
            is_timed: self.is_learning() || calm_until < Timestamp::END,
            until: match next_pick {
                Some(NextPick::From(moment)) => calm_until.min(moment),
                Some(NextPick::After(_)) | None => calm_until,
            },
            pass_over: match next_pick {
                Some(NextPick::After(calls)) => Some(calls),
                Some(NextPick::From(_)) | None => None,
            },
        })
    }

    /// Returns whether access is being restored.
    pub(crate) fn is_half_open(&self) -> bool {
        matches!(self.phase, Phase::HalfOpen(_))
    }

    /// Returns the window in which refused calls may be reported in batches, while the breaker is
    /// open.
    pub(crate) fn reject_window(&self) -> Option<RejectWindow> {
        let Phase::Open(cooldown) = &self.phase else {
            return None;
        };
        Some(if self.mode.mode == Mode::ForcedOpen {
            let reverts_at = self.mode.reverts_at;
            RejectWindow {
                until: reverts_at.unwrap_or(Timestamp::END),
                retry_at: reverts_at,
            }
        } else {
            RejectWindow {
                until: cooldown.refuses_until(),
                retry_at: Some(cooldown.until()),
            }
        })
    }

    /// Records calls that were [refused](Self::reject_window).
    pub(crate) fn refused_calls(&mut self, calls: u64) {
        if let Phase::Open(cooldown) = &mut self.phase {
            cooldown.refused(u32::try_from(calls).unwrap_or(u32::MAX));
        }
    }

    /// Records a good call of some generation that came back in time, and is reported on its own.
    pub(crate) fn good_call(&mut self, generation: u64, now: Timestamp) -> Settled {
        let now = self.catch_up(now);
        if generation != self.generation {
            return Settled::Stale;
        }
        let good = Judgement::default();
        self.record(good, now, now);
        Settled::Counted(good)
    }

    /// Records a batch of good calls, which started and came back in a
    /// [window](Self::batch_window).
    pub(crate) fn good_calls(&mut self, calls: SuccessBatch) {
        self.latest = self.latest.max(calls.last);
        if self.is_learning() {
            self.yardstick.pass(u32::try_from(calls.started).unwrap_or(u32::MAX));
        }
        if let Phase::Closed { tallies, .. } = &mut self.phase {
            if calls.good > 0 {
                tallies.good_calls(calls.good, calls.last);
            }
        }
    }
}
