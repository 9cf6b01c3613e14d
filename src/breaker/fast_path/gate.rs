//! What all threads read before a call: whether it may pass the lock by, and until when.
//!
//! The thread that holds the breaker's lock writes the gate, when something changes. All others
//! only read it, so its cache line stays with every processor. The word names the generation; a
//! call ends on the fast path only while the gate shows the word that admitted it.
//!
//! # Memory ordering
//!
//! - `word`: stored with release, after the times that it makes valid; loaded with acquire. A
//!   thread that sees a refusing word sees its `retry_at`, and one that sees an open word sees its
//!   `slow_after`. Without it, a caller could be told to come back at the time of an earlier trip.
//! - `word` and the shards' counts are not ordered against each other: a thread may add to a count
//!   after it has seen a word that is gone. Such a call is late, and the next reader finds it; see
//!   [`super`].
//! - `published_at` and `evaluate_at`: stored with release, `published_at` first; loaded with
//!   acquire. A thread that sees the new `evaluate_at` sees the new `published_at`, and takes the
//!   lock if its clock is behind it.

use std::time::Duration;

use crate::{
    breaker::{
        deadlines::Bucket,
        fast_path::sync::{AtomicU64, Ordering},
    },
    machine::{RejectWindow, Timestamp},
};

/// What all threads read before a call.
#[derive(Debug, Default)]
pub(super) struct Gate {
    word: AtomicU64,
    /// In nanoseconds.
    slow_after: AtomicU64,
    /// When `evaluate_at` was written. A clock that has gone back since needs an evaluation, too.
    published_at: AtomicU64,
    /// From when on each call has to take the lock.
    evaluate_at: AtomicU64,
    /// When refused callers are told to come back; [`Timestamp::END`] where only an operator can
    /// tell.
    retry_at: AtomicU64,
}

/// What the gate says: `generation << 16 | shift << 8 | flags`. The word that admitted a call is
/// its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GateWord(u64);

/// Calls pass, as far as nothing out of the ordinary happens.
const OPEN: u64 = 1;
/// Of the calls that pass, all are timed.
const TIMED: u64 = 1 << 1;
/// All calls are refused.
const REFUSING: u64 = 1 << 2;
/// Some calls are let through; each takes the lock.
const PARTIAL: u64 = 1 << 3;

const SHIFT: u32 = 8;
const GENERATION: u32 = 16;

impl GateWord {
    /// No call passes, and each takes the lock.
    pub(super) const CLOSED: Self = Self(0);
    /// No call passes, each takes the lock, and not all of them go to the primary.
    pub(super) const PARTIAL: Self = Self(PARTIAL);

    /// Calls of this generation pass. Where they have to end in time, each is watched in a bucket
    /// of 2^`shift` nanoseconds.
    pub(super) fn open(generation: u64, is_timed: bool, shift: Option<u8>) -> Self {
        let timed = if is_timed { TIMED } else { 0 };
        Self(generation << GENERATION | u64::from(shift.unwrap_or(0)) << SHIFT | timed | OPEN)
    }

    /// All calls of this generation are refused.
    pub(super) fn refusing(generation: u64) -> Self {
        Self(generation << GENERATION | REFUSING)
    }

    #[inline(always)]
    pub(super) fn is_open(self) -> bool {
        self.0 & OPEN != 0
    }

    #[inline(always)]
    pub(super) fn is_timed(self) -> bool {
        self.0 & TIMED != 0
    }

    #[inline(always)]
    pub(super) fn is_refusing(self) -> bool {
        self.0 & REFUSING != 0
    }

    #[inline]
    pub(crate) fn generation(self) -> u64 {
        self.0 >> GENERATION
    }

    /// Returns which of two counts the good calls of this generation add to.
    #[inline(always)]
    pub(super) fn parity(self) -> usize {
        (self.generation() & 1) as usize
    }

    /// Returns the bucket of a call that is due then, if calls are watched.
    #[inline]
    pub(super) fn bucket(self, due: Timestamp) -> Option<Bucket> {
        let shift = (self.0 >> SHIFT) as u8;
        (shift > 0).then(|| Bucket::due(due, shift & 63))
    }

    /// Returns whether all calls go to the primary, or not all do; `None` where the lock has to be
    /// asked.
    #[inline]
    pub(super) fn all_flow(self) -> Option<bool> {
        if self.is_open() {
            Some(true)
        } else if self.0 & (REFUSING | PARTIAL) != 0 {
            Some(false)
        } else {
            None
        }
    }
}

impl Gate {
    #[inline(always)]
    pub(super) fn word(&self) -> GateWord {
        GateWord(self.word.load(Ordering::Acquire))
    }

    /// Sets what calls go by from here on. To be called by the thread that holds the breaker's
    /// lock, like all that writes.
    pub(super) fn set(&self, word: GateWord) {
        if self.word.load(Ordering::Relaxed) != word.0 {
            self.word.store(word.0, Ordering::Release);
        }
    }

    /// Returns when a call that starts now is slow; [`Timestamp::END`] where it needn't end in
    /// time.
    #[inline]
    pub(super) fn due(&self, word: GateWord, started: Timestamp) -> Timestamp {
        match (word.0 >> SHIFT) as u8 {
            0 => Timestamp::END,
            _ => {
                let slow_after = self.slow_after.load(Ordering::Relaxed);
                Timestamp::from_nanos(started.as_nanos().saturating_add(slow_after))
            }
        }
    }

    pub(super) fn set_slow_after(&self, slow_after: Duration) {
        let nanos = Timestamp::from(slow_after).as_nanos();
        self.slow_after.store(nanos, Ordering::Relaxed);
    }

    /// Returns whether a call at `now` has to take the lock: it is time to decide, or the clock
    /// went back.
    #[inline(always)]
    pub(super) fn needs_evaluation(&self, now: Timestamp) -> bool {
        let now = now.as_nanos();
        // In this order: see the module's head.
        now >= self.evaluate_at.load(Ordering::Acquire) || now < self.published_at.load(Ordering::Acquire)
    }

    pub(super) fn set_evaluate_at(&self, now: Timestamp, evaluate_at: Timestamp) {
        let published_at = self.published_at.load(Ordering::Relaxed).max(now.as_nanos());
        self.published_at.store(published_at, Ordering::Release);
        self.evaluate_at.store(evaluate_at.as_nanos(), Ordering::Release);
    }

    /// Returns when refused callers are told to come back, for a thread that has seen a refusing
    /// word.
    #[inline]
    pub(super) fn retry_at(&self) -> Timestamp {
        Timestamp::from_nanos(self.retry_at.load(Ordering::Relaxed))
    }

    /// Refuses all calls of this generation, until each has to take the lock again.
    pub(super) fn refuse(&self, generation: u64, window: RejectWindow, now: Timestamp) {
        let word = GateWord::refusing(generation);
        let retry_at = window.retry_at.unwrap_or(Timestamp::END);
        // The end of time stands for "unknown", so a deadline at the end of time can't be
        // published.
        let can_publish = window.retry_at != Some(Timestamp::END);
        let until = if can_publish { window.until } else { Timestamp::START };
        let published = [&self.word, &self.evaluate_at, &self.retry_at].map(|word| word.load(Ordering::Relaxed));
        if published != [word.0, until.as_nanos(), retry_at.as_nanos()] {
            self.set_evaluate_at(now, until);
            self.retry_at.store(retry_at.as_nanos(), Ordering::Relaxed);
            self.word.store(word.0, Ordering::Release);
        }
    }

    /// Closes the gate and forgets the times of the breaker's clock: the next owner may have
    /// another clock.
    pub(super) fn clear(&self) {
        self.word.store(GateWord::CLOSED.0, Ordering::Release);
        for time in [&self.slow_after, &self.published_at, &self.evaluate_at, &self.retry_at] {
            time.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(breaker_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_next_owner_may_have_a_clock_that_is_behind() {
        let gate = Gate::default();
        gate.set_evaluate_at(Timestamp::from_nanos(1000), Timestamp::from_nanos(2000));
        assert!(gate.needs_evaluation(Timestamp::START));
        gate.clear();
        gate.set_evaluate_at(Timestamp::START, Timestamp::END);
        assert!(!gate.needs_evaluation(Timestamp::START));
    }

    #[test]
    fn a_word_says_what_it_was_made_of() {
        let word = GateWord::open(7, true, Some(24));
        assert!(word.is_open() && word.is_timed() && !word.is_refusing());
        assert_eq!((word.generation(), word.parity()), (7, 1));
        let due = Timestamp::from_nanos(3 << 24);
        assert_eq!(word.bucket(due), Some(Bucket::due(due, 24)));
        assert_eq!(GateWord::open(8, false, None).bucket(due), None);
        assert_eq!(GateWord::refusing(2).all_flow(), Some(false));
        assert_eq!(GateWord::CLOSED.all_flow(), None);
    }
}
