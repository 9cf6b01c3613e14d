//! The gate and the shards of one breaker, and what a call does there.
//!
//! A call that finds anything out of the ordinary takes the breaker's lock instead: nothing is decided here.
//!
//! # Memory ordering
//!
//! See [`Gate`] and [`Counter`](super::counter::Counter) for the pairs. What is particular here is the order of reads:
//! [`refused`](Shards::refused) and [`is_drained`](Shards::is_drained) read the ends before the starts, so that an end is
//! never seen without its start. The owner is behind a lock, on a cache line that the fast path doesn't touch.

use std::{ops::DerefMut, sync::PoisonError};

use super::{
    gate::{Gate, GateWord},
    permit::TimedFastPermit,
    shard::{Finished, Shard},
    sync::{Mutex, thread_number, thread_number_if_known},
};
use crate::{
    breaker::{Breaker, WeakBreaker, calls::Deadline, deadlines::Bucket},
    clock::Clock,
    machine::Timestamp,
};

/// A block of shards behind one gate. It belongs to one breaker at a time, and to the next one only once it has drained.
#[derive(Debug)]
#[repr(align(128))]
pub(in crate::breaker) struct Shards {
    pub(super) gate: Gate,
    /// Their number is a power of 2.
    pub(super) each: Box<[Shard]>,
    /// Whether a breaker has them to itself, and its calls may pass the lock by.
    is_enabled: bool,
    owner: Owner,
}

/// The breaker whose calls are counted here.
#[derive(Debug)]
#[repr(align(128))]
struct Owner(Mutex<Option<WeakBreaker>>);

/// The shard of the calling thread.
#[derive(Clone, Copy)]
struct Here<'a> {
    shard: &'a Shard,
    /// Whether the thread owns it: no two threads that live at once have the same number.
    is_own: bool,
}

/// How a call is admitted.
pub(in crate::breaker) enum Admission {
    /// On the fast path: it is counted.
    Fast(GateWord),
    /// On the fast path, unless the clock says otherwise.
    FastTimed(GateWord),
    /// Under the lock.
    Slow,
}

/// A call takes the slow path, under the lock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlowPath {
    /// What the clock said, if it was read.
    pub(crate) now: Option<Timestamp>,
}

/// A timed call ends on the slow path.
pub(in crate::breaker) struct SlowEnd {
    pub(in crate::breaker) now: Timestamp,
    pub(in crate::breaker) deadline: Deadline,
}

/// A refusal on the fast path.
pub(crate) struct FastRefusal {
    pub(in crate::breaker) word: GateWord,
    pub(in crate::breaker) now: Timestamp,
    /// When the caller is told to come back; [`Timestamp::END`] where only an operator can tell.
    pub(in crate::breaker) retry_at: Timestamp,
    /// Whether the call goes to a backup.
    pub(in crate::breaker) diverts: bool,
    /// Whether that call is one to time.
    pub(in crate::breaker) is_timed: bool,
}

/// Counts of calls that took the fast path, since the block was made.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::breaker) struct FastCalls {
    pub(in crate::breaker) started: u64,
    pub(in crate::breaker) timed: u64,
    /// In nanoseconds; it wraps.
    pub(in crate::breaker) latency: u64,
}

/// Counts of calls that were refused on the fast path, since the block was made.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::breaker) struct RefusedCalls {
    pub(in crate::breaker) rejected: u64,
    pub(in crate::breaker) diverted: u64,
    /// Diverted calls that came back good, and weren't timed.
    pub(in crate::breaker) backed_up: u64,
}

impl Shards {
    pub(super) fn new(count: usize, is_enabled: bool) -> Self {
        Self {
            gate: Gate::default(),
            each: (0..count).map(|_| Shard::default()).collect(),
            is_enabled,
            owner: Owner(Mutex::new(None)),
        }
    }

    pub(in crate::breaker) fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    pub(in crate::breaker) fn count(&self) -> usize {
        self.each.len()
    }

    #[inline(always)]
    fn here(&self) -> Here<'_> {
        match self.each.get(thread_number_if_known()) {
            Some(shard) => Here { shard, is_own: true },
            None => self.here_among_others(),
        }
    }

    #[inline(never)]
    fn here_among_others(&self) -> Here<'_> {
        let number = thread_number();
        match self.each.get(number) {
            Some(shard) => Here { shard, is_own: true },
            None => Here {
                shard: &self.each[index_among_others(number, self.each.len())],
                is_own: false,
            },
        }
    }

    /// Returns whether all calls go to the primary, or not all do; `None` where the lock has to be asked.
    #[inline]
    pub(in crate::breaker) fn all_flow(&self) -> Option<bool> {
        self.gate.word().all_flow()
    }

    /// Admits a call that isn't timed, and counts it; or says how else to go on.
    #[inline(always)]
    pub(in crate::breaker) fn start(&self) -> Admission {
        let word = self.gate.word();
        if !word.is_open() {
            return Admission::Slow;
        }
        let Here { shard, is_own } = self.here();
        if word.is_timed() || shard.times_next() {
            return Admission::FastTimed(word);
        }
        shard.started.add(1, is_own);
        Admission::Fast(word)
    }

    /// Like [`start`](Self::start), but for a timed call, whose deadline goes to the wheel of this `shard`.
    #[inline(never)]
    pub(in crate::breaker) fn start_timed(
        &self,
        word: GateWord,
        shard: usize,
        clock: &dyn Clock,
    ) -> Result<TimedFastPermit, SlowPath> {
        let started = clock.now().into();
        let slow = SlowPath { now: Some(started) };
        let here = self.here();
        if here.shard.samples_next() || self.gate.needs_evaluation(started) {
            return Err(slow);
        }
        let permit = TimedFastPermit {
            word,
            started,
            due: self.gate.due(word, started),
        };
        let is_watched = |bucket| self.each[shard].watch(word.generation(), bucket, started);
        if !permit.bucket().is_none_or(is_watched) {
            return Err(slow);
        }
        here.shard.started.add(1, here.is_own);
        Ok(permit)
    }

    /// Counts the good end of a call that isn't timed; returns `false` where the lock has to be taken.
    #[inline(always)]
    pub(super) fn finish(&self, word: GateWord) -> bool {
        // A thread that stands still from here on counts late, and the next reader finds the call by its parity.
        let is_in_force = self.gate.word() == word;
        if is_in_force {
            let Here { shard, is_own } = self.here();
            shard.good[word.parity()].add(1, is_own);
        }
        is_in_force
    }

    /// Like [`finish`](Self::finish), but for a timed call that started in this `shard`.
    #[inline(always)]
    pub(in crate::breaker) fn finish_timed(
        &self,
        shard: usize,
        permit: &TimedFastPermit,
        clock: &dyn Clock,
    ) -> Result<(), SlowEnd> {
        let now = clock.now().into();
        let word = permit.word;
        // The lock's holder finds overdue calls first, so until then the call has to be watched.
        if self.gate.needs_evaluation(now) || now > permit.due || self.gate.word() != word {
            let deadline = permit.deadline(shard);
            return Err(SlowEnd { now, deadline });
        }
        if let Some(bucket) = permit.bucket() {
            let deadline = match self.each[shard].finish(word.generation(), bucket) {
                Finished::OnTime => None,
                Finished::Overdue => Some(Deadline::Passed),
                Finished::Forgotten => Some(Deadline::None),
            };
            if let Some(deadline) = deadline {
                return Err(SlowEnd { now, deadline });
            }
        }
        let latency = now.as_nanos().saturating_sub(permit.started.as_nanos());
        let Here { shard, is_own } = self.here();
        shard.count_timed(word.parity(), latency, now, is_own);
        Ok(())
    }

    /// Refuses a call, and counts it, while all are refused.
    #[inline(always)]
    pub(in crate::breaker) fn refuse(&self, diverts: bool, now: Timestamp) -> Option<FastRefusal> {
        let word = self.gate.word();
        if !word.is_refusing() || self.gate.needs_evaluation(now) {
            return None;
        }
        let Here { shard, is_own } = self.here();
        let count = if diverts { &shard.diverted } else { &shard.rejected };
        count.add(1, is_own);
        Some(FastRefusal {
            word,
            now,
            diverts,
            retry_at: self.gate.retry_at(),
            is_timed: diverts && shard.times_backup(now),
        })
    }

    /// Counts the good end of a call that was diverted, and isn't timed.
    #[inline(always)]
    pub(super) fn finish_diverted(&self) {
        let Here { shard, is_own } = self.here();
        shard.backed_up.add(1, is_own);
    }

    /// Counts that a call which was counted at its start doesn't end on the fast path, and holds the block no more.
    pub(in crate::breaker) fn count_slow_end(&self) {
        self.here().shard.count_slow_end();
    }

    /// Of [`calls`](Self::calls), returns only how many started.
    pub(super) fn started(&self) -> u64 {
        self.each.iter().map(|shard| shard.started.get()).sum()
    }

    pub(super) fn calls(&self) -> FastCalls {
        self.each.iter().fold(FastCalls::default(), |all, shard| FastCalls {
            started: all.started + shard.started.get(),
            timed: all.timed + shard.timed.get(),
            latency: all.latency.wrapping_add(shard.latency.get()),
        })
    }

    pub(super) fn refused(&self) -> RefusedCalls {
        let sum = |count: fn(&Shard) -> u64| self.each.iter().map(count).sum();
        RefusedCalls {
            backed_up: sum(|shard| shard.backed_up.get()),
            rejected: sum(|shard| shard.rejected.get()),
            diverted: sum(|shard| shard.diverted.get()),
        }
    }

    /// Returns how many good calls have been counted, by parity.
    pub(super) fn good(&self) -> [u64; 2] {
        [0, 1].map(|parity: usize| self.each.iter().map(|shard| shard.good[parity].get()).sum())
    }

    /// Ends the watch of a call that started in this `shard`; returns `false` where it was overdue.
    pub(in crate::breaker) fn finish_watch(&self, shard: usize, generation: u64, bucket: Bucket) -> bool {
        self.each[shard].finish(generation, bucket) != Finished::Overdue
    }

    /// Returns when the next calls will be overdue, if they are still in flight then.
    pub(in crate::breaker) fn next_due(&self) -> Option<Timestamp> {
        self.each.iter().filter_map(Shard::next_due).min()
    }

    /// Returns since when the next calls are overdue at `now`, and in which shard.
    pub(super) fn overdue_since(&self, now: Timestamp) -> Option<(Timestamp, &Shard)> {
        let overdue = self
            .each
            .iter()
            .filter_map(|shard| Some((shard.overdue_since(now)?, shard)));
        overdue.min_by_key(|(since, _)| *since)
    }

    pub(in crate::breaker) fn begin_generation(&self, generation: u64) {
        if self.is_enabled {
            self.each.iter().for_each(|shard| shard.begin_generation(generation));
        }
    }

    /// Returns the breaker whose calls are counted here, if it is still held.
    pub(super) fn owner(&self) -> Option<Breaker> {
        self.lock_owner().as_ref()?.upgrade()
    }

    pub(in crate::breaker) fn attach(&self, owner: WeakBreaker) {
        if self.is_enabled {
            *self.lock_owner() = Some(owner);
        }
    }

    /// Closes the gate for good: the breaker is gone. Calls that are still in flight count their ends here.
    pub(super) fn detach(&self) {
        self.gate.clear();
        self.each.iter().for_each(Shard::clear);
        *self.lock_owner() = None;
    }

    /// Returns whether no call of a detached block is in flight any more.
    pub(super) fn is_drained(&self) -> bool {
        let ended: u64 = self.each.iter().map(Shard::ended).sum();
        let begun: u64 = self.each.iter().map(Shard::begun).sum();
        ended == begun
    }

    fn lock_owner(&self) -> impl DerefMut<Target = Option<WeakBreaker>> {
        self.owner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns which of `count` shards threads of this number share, where there are more threads than shards.
pub(in crate::breaker) fn index_among_others(number: usize, count: usize) -> usize {
    number & (count - 1)
}
