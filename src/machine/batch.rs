//! What a driver may report in batches: good calls while closed, refused calls while open.
//!
//! In a [`BatchWindow`] a good call changes nothing but counts, so threads may count such calls
//! without the breaker's lock and report the sum later, as a [`SuccessBatch`]. In a
//! [`RejectWindow`] the same holds for refused calls. A machine whose calls come in batches decides
//! as one that hears of each call at once, if the driver keeps to two rules: it reports a batch
//! before anything that happened after it, and it reports at once what the window excludes.

use std::time::Duration;

use super::{
    Machine,
    completion::{Assessment, Settled},
    control::Mode,
    latency::estimator::NextSample,
    state::Phase,
    time::Timestamp,
};

/// A window in which good calls may be reported in batches: see [`Machine::record_successes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchWindow {
    pub(crate) generation: u64,
    /// A call that takes longer has to be reported at once.
    pub(crate) slow_after: Option<Duration>,
    /// Whether it matters how long calls take, or when they come back.
    pub(crate) is_timed: bool,
    /// From then on each call has to be reported at once.
    pub(crate) until: Timestamp,
    /// So many calls may start before the one that has to be [admitted](Machine::admit) by the
    /// machine, since it may be a sample. `None`: `until` says when that is.
    pub(crate) sample_after: Option<u32>,
}

/// A batch of good calls that started, or came back, inside a [`BatchWindow`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SuccessBatch {
    /// How many calls have started.
    pub(crate) started: u64,
    /// How many calls have come back.
    pub(crate) good: u64,
    /// When the last of them came back.
    pub(crate) last: Timestamp,
}

/// A window in which refused calls may be reported in batches: see [`Machine::record_rejections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RejectWindow {
    /// From then on each call has to be reported at once.
    pub(crate) until: Timestamp,
    /// When callers may come back; `None` where only an operator can tell.
    pub(crate) retry_at: Option<Timestamp>,
}

impl Machine {
    /// Returns the window in which good calls may be reported in batches. `None` where each call
    /// has to be reported at once. It holds until anything else is reported.
    pub(crate) fn batch_window(&self) -> Option<BatchWindow> {
        let Phase::Closed { states, quiet_until } = &self.phase else {
            return None;
        };
        if self.mode.mode != Mode::Automatic || *quiet_until > self.latest {
            return None;
        }
        let batch_until = states.batch_until(self.latest)?;
        let next_sample = self.is_learning().then(|| self.estimator.next_sample());
        Some(BatchWindow {
            generation: self.generation,
            slow_after: self.slow_after(),
            is_timed: self.is_learning() || batch_until < Timestamp::END,
            until: match next_sample {
                Some(NextSample::From(moment)) => batch_until.min(moment),
                Some(NextSample::After(_)) | None => batch_until,
            },
            sample_after: match next_sample {
                Some(NextSample::After(calls)) => Some(calls),
                Some(NextSample::From(_)) | None => None,
            },
        })
    }

    /// Records good calls that started and came back in a [batch window](Self::batch_window).
    pub(crate) fn record_successes(&mut self, calls: SuccessBatch) {
        self.latest = self.latest.max(calls.last);
        if self.is_learning() {
            self.estimator.skip(u32::try_from(calls.started).unwrap_or(u32::MAX));
        }
        if let Phase::Closed { states, .. } = &mut self.phase {
            if calls.good > 0 {
                states.record_successes(calls.good, calls.last);
            }
        }
    }

    /// Records a good call that came back in time and was counted for a batch, but was found only
    /// after its [window](Self::batch_window) had ended.
    pub(crate) fn record_late_success(&mut self, generation: u64, now: Timestamp) -> Settled {
        let now = self.catch_up(now);
        if generation != self.generation {
            return Settled::Stale;
        }
        self.record(Assessment::GOOD, now, now);
        Settled::Counted(Assessment::GOOD)
    }

    /// Returns the window in which refused calls may be reported in batches, and what their callers
    /// may expect. `None` where the breaker isn't open.
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

    /// Records calls that were refused in a [reject window](Self::reject_window).
    pub(crate) fn record_rejections(&mut self, calls: u64) {
        if let Phase::Open(cooldown) = &mut self.phase {
            cooldown.record_rejections(u32::try_from(calls).unwrap_or(u32::MAX));
        }
    }
}
