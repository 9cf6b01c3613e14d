use std::time::Duration;

use super::{Judgement, Machine, Mode, Phase, Settled, Timestamp, yardstick::NextPick};

/// As long as this holds, a good call that comes back in time changes nothing but counts, and may be told later: see
/// [`Machine::good_calls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchWindow {
    pub(crate) generation: u64,
    /// A call that takes longer has to be told at once.
    pub(crate) slow_after: Option<Duration>,
    /// Whether it matters how long calls take, or when they come back.
    pub(crate) is_timed: bool,
    /// From then on each call has to be told at once.
    pub(crate) until: Timestamp,
    /// So many calls may start, and the one after them has to be told at once.
    pub(crate) pass_over: Option<u32>,
}

/// Calls of a healthy primary, told together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SuccessBatch {
    /// How many have started.
    pub(crate) started: u64,
    /// How many have come back.
    pub(crate) good: u64,
    /// When the last one did.
    pub(crate) last: Timestamp,
}

/// As long as this holds, a refused call changes nothing but counts, and may be told later: see [`Machine::refused_calls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RejectWindow {
    /// From then on each call has to be told at once.
    pub(crate) until: Timestamp,
    /// When callers are told to come back; `None` where only an operator can tell.
    pub(crate) retry_at: Option<Timestamp>,
}

/// What needn't be told at once.
impl Machine {
    /// Whether good calls may be told later, and until when. Anything else, told in between, is told after them.
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

    /// Whether access is being restored.
    pub(crate) fn is_half_open(&self) -> bool {
        matches!(self.phase, Phase::HalfOpen(_))
    }

    /// Where it is open: until when refused calls may be told later, and what their callers are told.
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

    /// Tells of calls that were [refused](Self::reject_window).
    pub(crate) fn refused_calls(&mut self, calls: u64) {
        if let Phase::Open(cooldown) = &mut self.phase {
            cooldown.refused(u32::try_from(calls).unwrap_or(u32::MAX));
        }
    }

    /// Tells of a good call of some generation that came back in time, though it isn't calm any more.
    pub(crate) fn good_call(&mut self, generation: u64, now: Timestamp) -> Settled {
        let now = self.catch_up(now);
        if generation != self.generation {
            return Settled::Stale;
        }
        let good = Judgement::default();
        self.record(good, now, now);
        Settled::Counted(good)
    }

    /// Tells of good calls that started and came back while [calm](Self::batch_window).
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
