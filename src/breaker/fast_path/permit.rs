//! What a call on the fast path holds: nothing that has to be counted or freed.
//!
//! A permit of a healthy call is written to one place and read from it again a few nanoseconds
//! later. A processor that reads together what was written in parts waits for the parts, so
//! [`FastPermit`] is two whole words, and what a healthy call runs through is inlined where the
//! permit is made.

use super::{gate::GateWord, pool::PooledShards, shards::Shards};
use crate::{
    breaker::{Breaker, calls::Deadline, deadlines::Bucket},
    machine::{Ticket, Timestamp},
};

/// A permit of a call on the fast path that isn't timed: the block that counts it, and the word
/// that admitted it.
///
/// The block isn't given to another breaker until each permit has ended, by one of the two `end`
/// methods.
#[derive(Clone, Debug)]
pub(crate) struct FastPermit {
    shards: PooledShards,
    word: GateWord,
}

/// A permit of a timed call on the fast path. Its owner also holds the breaker.
#[derive(Debug)]
pub(crate) struct TimedFastPermit {
    pub(super) word: GateWord,
    pub(super) started: Timestamp,
    /// When the call is slow; [`Timestamp::END`] where it needn't end in time, and
    /// [`PASSED`](Self::PASSED) where it has been counted as slow.
    pub(super) due: Timestamp,
}

/// The end of a permit that doesn't end on the fast path, counted when this is dropped: also where
/// a user's clock or waker panics first, or the block would never drain.
#[derive(Debug)]
#[must_use = "it counts the end when it is dropped"]
pub(crate) struct SlowEnd<'a>(&'a Shards);

impl<'a> SlowEnd<'a> {
    #[inline(always)]
    pub(crate) fn of(shards: &'a Shards) -> Self {
        Self(shards)
    }
}

impl Drop for SlowEnd<'_> {
    fn drop(&mut self) {
        self.0.count_slow_end();
    }
}

impl FastPermit {
    #[inline(always)]
    pub(crate) fn new(shards: &PooledShards, word: GateWord) -> Self {
        Self {
            shards: shards.clone(),
            word,
        }
    }

    /// A permit of a call that is diverted to the backup: its end needs no word.
    #[inline(always)]
    pub(crate) fn diverted(shards: &PooledShards) -> Self {
        Self::new(shards, GateWord::CLOSED)
    }

    /// Returns whether the call goes to the backup, because all are refused.
    #[inline(always)]
    pub(crate) fn is_diverted(&self) -> bool {
        !self.word.is_open()
    }

    /// Ends the call as good; returns `false` where it has to end under the lock.
    #[inline(always)]
    pub(crate) fn end_good(&self) -> bool {
        if self.is_diverted() {
            self.shards.finish_diverted();
            return true;
        }
        self.shards.finish(self.word)
    }

    /// Ends the permit when the guard is dropped: the call ends under the lock, or is held in
    /// another way from here on.
    pub(crate) fn slow_end(&self) -> SlowEnd<'_> {
        SlowEnd(&self.shards)
    }

    /// Returns the ticket that the call would have got under the lock.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket::batched(self.word.generation(), None, None)
    }

    /// Returns the breaker that admitted the call, if it is still held.
    pub(crate) fn breaker(&self) -> Option<Breaker> {
        self.shards.owner()
    }
}

impl TimedFastPermit {
    /// The due time of a call that was found overdue before it was admitted, because its thread
    /// stood still in between. Any end is later.
    pub(super) const PASSED: Timestamp = Timestamp::START;

    /// Returns the ticket that the call would have got under the lock.
    pub(crate) fn ticket(&self) -> Ticket {
        let slow_after = self.bucket().map(|_| self.due.since(self.started));
        Ticket::batched(self.word.generation(), Some(self.started), slow_after)
    }

    /// Returns where the call is watched that started in this `shard`.
    pub(crate) fn deadline(&self, shard: usize) -> Deadline {
        match self.bucket() {
            _ if self.due == Self::PASSED => Deadline::Passed,
            Some(bucket) => Deadline::InShard { shard, bucket },
            None => Deadline::None,
        }
    }

    #[inline]
    pub(super) fn bucket(&self) -> Option<Bucket> {
        self.word.bucket(self.due)
    }
}
