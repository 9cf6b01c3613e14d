//! The gate and the shards of one breaker, and what a call does there.
//!
//! A call that finds anything out of the ordinary takes the breaker's lock instead: nothing is
//! decided here.
//!
//! # Memory ordering
//!
//! See [`Gate`] and [`Counter`](super::counter::Counter) for the pairs. What is particular here is
//! the order of reads: [`counts`](Shards::counts) and [`is_drained`](Shards::is_drained) read the
//! ends before the starts, so that an end is never seen without its start. The owner is behind a
//! lock, on a cache line that the fast path doesn't touch.

use std::ops::DerefMut;

use super::{
    gate::{Gate, GateWord},
    permit::TimedFastPermit,
    shard::Shard,
    sync::{Mutex, lock, thread_number, thread_number_if_known},
};
use crate::{
    breaker::{Breaker, WeakBreaker, calls::Deadline},
    clock::Clock,
    machine::Timestamp,
};

/// A block of shards behind one gate. It belongs to one breaker at a time, and to the next one only
/// once it has drained.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shards {
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
pub(crate) enum Admission {
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

/// A refusal on the fast path.
pub(crate) struct FastRefusal {
    pub(crate) now: Timestamp,
    /// When the caller is told to come back; [`Timestamp::END`] where only an operator can tell.
    pub(crate) retry_at: Timestamp,
    /// Whether the call goes to a backup.
    pub(crate) diverts: bool,
    /// Whether that call is one to time.
    pub(crate) is_timed: bool,
}

/// What has been counted in all shards, since the block was made or since it was last taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) started: u64,
    /// Good calls that came back, by the parity of their generation.
    pub(crate) good: [u64; 2],
    /// Good calls that were timed, and their latency in nanoseconds.
    pub(crate) timed: u64,
    pub(crate) latency: u64,
    /// Calls that were refused with no backup, that went to a backup, and of these, those that came
    /// back good.
    pub(crate) rejected: u64,
    pub(crate) diverted: u64,
    pub(crate) backed_up: u64,
}

impl Counts {
    /// Returns how many good calls were of this generation, and how many of another.
    pub(crate) fn good_of(&self, generation: u64) -> (u64, u64) {
        let parity = (generation & 1) as usize;
        (self.good[parity], self.good[1 - parity])
    }
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

    pub(crate) fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    pub(crate) fn count(&self) -> usize {
        self.each.len()
    }

    /// Returns which shard is the calling thread's.
    #[inline(always)]
    pub(crate) fn index(&self) -> usize {
        let number = thread_number_if_known();
        if number < self.each.len() {
            number
        } else {
            self.index_among_others().0
        }
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
        let (index, is_own) = self.index_among_others();
        let shard = &self.each[index];
        Here { shard, is_own }
    }

    /// Where there are more threads than shards, those above share them.
    fn index_among_others(&self) -> (usize, bool) {
        let (number, count) = (thread_number(), self.each.len());
        (number & (count - 1), number < count)
    }

    /// Returns whether all calls go to the primary, or not all do; `None` where the lock has to be
    /// asked.
    #[inline]
    pub(crate) fn all_flow(&self) -> Option<bool> {
        self.gate.word().all_flow()
    }

    /// Admits a call that isn't timed, and counts it; or says how else to go on.
    #[inline(always)]
    pub(crate) fn start(&self) -> Admission {
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

    /// Like [`start`](Self::start), but for a timed call, whose deadline goes to the wheel of this
    /// `shard`.
    #[inline(never)]
    pub(crate) fn start_timed(
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
        let mut permit = TimedFastPermit {
            word,
            started,
            due: self.gate.due(word, started),
        };
        if let Some(bucket) = permit.bucket() {
            let (shard, generation) = (&self.each[shard], word.generation());
            if !shard.watch(generation, bucket, started) {
                return Err(slow);
            }
            // Once the gate has closed, the lock's holder may have found nothing to watch, and
            // seeks overdue calls no more. Its search and this watch took the shard's lock in turn,
            // so a watch that came too late for the search sees the gate's new word here.
            if self.gate.word() != word {
                if shard.unwatch(generation, bucket) {
                    return Err(slow);
                }
                permit.due = TimedFastPermit::PASSED;
            }
        }
        here.shard.started.add(1, here.is_own);
        Ok(permit)
    }

    /// Counts the good end of a call that isn't timed; returns `false` where the lock has to be
    /// taken.
    #[inline(always)]
    pub(super) fn finish(&self, word: GateWord) -> bool {
        // A thread that stands still from here on counts late, and the next reader finds the call
        // by its parity.
        let is_in_force = self.gate.word() == word;
        if is_in_force {
            let Here { shard, is_own } = self.here();
            shard.good[word.parity()].add(1, is_own);
        }
        is_in_force
    }

    /// Like [`finish`](Self::finish), but for a timed call that started in this `shard`. Where the
    /// lock has to be taken, returns what the clock said, and where the call is still watched.
    #[inline(always)]
    pub(crate) fn finish_timed(
        &self,
        shard: usize,
        permit: &TimedFastPermit,
        clock: &dyn Clock,
    ) -> Result<(), (Timestamp, Deadline)> {
        let now = clock.now().into();
        let word = permit.word;
        // The lock's holder finds overdue calls first, so until then the call has to be watched.
        if self.gate.needs_evaluation(now) || now > permit.due || self.gate.word() != word {
            return Err((now, permit.deadline(shard)));
        }
        let finish = |bucket| self.each[shard].finish(word.generation(), bucket);
        if !permit.bucket().is_none_or(finish) {
            return Err((now, Deadline::Passed));
        }
        let latency = now.as_nanos().saturating_sub(permit.started.as_nanos());
        let Here { shard, is_own } = self.here();
        shard.count_timed(word.parity(), latency, now, is_own);
        Ok(())
    }

    /// Refuses a call, and counts it, while all are refused.
    #[inline(always)]
    pub(crate) fn refuse(&self, diverts: bool, now: Timestamp) -> Option<FastRefusal> {
        let word = self.gate.word();
        if !word.is_refusing() || self.gate.needs_evaluation(now) {
            return None;
        }
        let Here { shard, is_own } = self.here();
        let count = if diverts { &shard.diverted } else { &shard.rejected };
        count.add(1, is_own);
        Some(FastRefusal {
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

    /// Counts that a call which was counted at its start doesn't end on the fast path, and holds
    /// the block no more.
    pub(crate) fn count_slow_end(&self) {
        self.here().shard.count_slow_end();
    }

    #[inline]
    pub(super) fn counts(&self) -> Counts {
        let mut all = Counts::default();
        // The ends before the starts.
        for shard in &self.each {
            all.good[0] += shard.good[0].get();
            all.good[1] += shard.good[1].get();
            all.timed += shard.timed.get();
            all.latency = all.latency.wrapping_add(shard.latency.get());
            all.backed_up += shard.backed_up.get();
        }
        for shard in &self.each {
            all.started += shard.started.get();
            all.rejected += shard.rejected.get();
            all.diverted += shard.diverted.get();
        }
        all
    }

    /// Returns when the last good call that was timed came back.
    pub(super) fn last_good(&self) -> Option<Timestamp> {
        self.each.iter().map(Shard::last_good).max()
    }

    /// Returns when the next calls will be overdue, if they are still in flight then.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
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

    pub(crate) fn begin_generation(&self, generation: u64) {
        if self.is_enabled {
            self.each.iter().for_each(|shard| shard.begin_generation(generation));
        }
    }

    /// Returns the breaker whose calls are counted here, if it is still held.
    pub(super) fn owner(&self) -> Option<Breaker> {
        self.lock_owner().as_ref()?.upgrade()
    }

    pub(crate) fn attach(&self, owner: WeakBreaker) {
        if self.is_enabled {
            *self.lock_owner() = Some(owner);
        }
    }

    /// Closes the gate for good: the breaker is gone. Calls that are still in flight count their
    /// ends here.
    pub(super) fn detach(&self) {
        self.gate.clear();
        self.each.iter().for_each(Shard::clear);
        *self.lock_owner() = None;
    }

    /// Returns whether no call holds a permit of the block: of one that is detached, none ever
    /// will.
    pub(crate) fn is_drained(&self) -> bool {
        let ended: u64 = self.each.iter().map(Shard::ended).sum();
        let begun: u64 = self.each.iter().map(Shard::begun).sum();
        ended == begun
    }

    fn lock_owner(&self) -> impl DerefMut<Target = Option<WeakBreaker>> {
        lock(&self.owner.0)
    }
}
