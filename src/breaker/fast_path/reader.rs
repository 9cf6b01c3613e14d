//! The breaker's side of its shards: it opens and closes the gate, and knows how much of the counts
//! has been reported.
//!
//! It is behind the breaker's lock. The counts only grow; the reader keeps what it has taken, and
//! takes the rest. Good calls of the current generation's parity are evidence, those of the other
//! parity came too late. While the gate is closed, calls of the current generation may still be
//! counted by a thread that saw it open.

use std::mem::replace;

use super::{gate::GateWord, pool::PooledShards, shards::Counts};
use crate::{
    breaker::deadlines::{Bucket, Overdue},
    machine::{BatchWindow, RejectWindow, SuccessBatch, Timestamp},
};

/// Opens and closes the gate, and tracks how much of the counts has been reported. Protected by the
/// breaker's lock.
#[derive(Debug)]
pub(crate) struct ShardReader {
    shards: PooledShards,
    open: Option<BatchWindow>,
    /// Of the buckets that calls are watched in, if they have to end in time.
    shift: Option<u8>,
    /// No call in the shards is overdue before this.
    due_at: Timestamp,
    evaluate_at: Timestamp,
    /// What had been counted when this was last taken.
    taken: Counts,
    /// With so many calls started, the next one is for the latency estimator.
    sample_at: Option<u64>,
}

impl ShardReader {
    pub(crate) fn new(shards: PooledShards, generation: u64) -> Self {
        shards.begin_generation(generation);
        Self {
            open: None,
            shift: None,
            due_at: Timestamp::END,
            evaluate_at: Timestamp::START,
            // What was counted for earlier owners is theirs.
            taken: shards.counts(),
            shards,
            sample_at: None,
        }
    }

    /// Takes what has been counted since this was last asked.
    pub(crate) fn take(&mut self) -> Counts {
        let (all, taken) = (self.shards.counts(), &mut self.taken);
        // Word by word: to copy them together is to wait for what was just written in words.
        let take = |taken: &mut u64, all: u64| all.wrapping_sub(replace(taken, all));
        Counts {
            started: take(&mut taken.started, all.started),
            good: [0, 1].map(|parity| take(&mut taken.good[parity], all.good[parity])),
            timed: take(&mut taken.timed, all.timed),
            latency: take(&mut taken.latency, all.latency),
            rejected: take(&mut taken.rejected, all.rejected),
            diverted: take(&mut taken.diverted, all.diverted),
            backed_up: take(&mut taken.backed_up, all.backed_up),
        }
    }

    /// Returns what calls go by on the fast path while the gate is open.
    pub(crate) fn open_for(&self) -> Option<BatchWindow> {
        self.open
    }

    /// Returns these calls as a batch. Calls that weren't timed came back before `now`, and nothing
    /// tells when.
    pub(crate) fn batch(&self, new: &Counts, window: &BatchWindow, now: Timestamp) -> SuccessBatch {
        let last_good = || self.shards.last_good();
        SuccessBatch {
            started: new.started,
            good: new.good_of(window.generation).0,
            last: window.is_timed.then(last_good).flatten().unwrap_or(now),
        }
    }

    /// Closes the gate where it is open for another window than this, and returns the one that it
    /// was open for.
    pub(crate) fn close_unless(&mut self, window: Option<&BatchWindow>) -> Option<BatchWindow> {
        let is_same = |open: &mut BatchWindow| {
            window.is_some_and(|window| (window.generation, window.is_timed) == (open.generation, open.is_timed))
        };
        let was = self.open.take_if(|open| !is_same(open))?;
        self.shards.gate.set(GateWord::CLOSED);
        // Buckets that suit the next time limit as well are kept only while the gate stays open.
        self.shift = None;
        Some(was)
    }

    /// While the gate is closed, publishes whether all calls are refused, or some of them.
    pub(crate) fn refuse_if(&self, refusing: Option<RejectWindow>, is_partial: bool, generation: u64, now: Timestamp) {
        match refusing {
            _ if self.open.is_some() || !self.shards.is_enabled() => {}
            Some(window) => self.shards.gate.refuse(generation, window, now),
            None if is_partial => self.shards.gate.set(GateWord::PARTIAL),
            None => self.shards.gate.set(GateWord::CLOSED),
        }
    }

    /// Opens the gate, if it isn't open, and publishes what calls go by. `next_evaluation` is when
    /// there may be something to decide that doesn't come from the shards.
    pub(crate) fn open(&mut self, window: BatchWindow, next_evaluation: Option<Timestamp>, now: Timestamp) {
        let was = self.open.replace(window);
        let has_changed = was.is_none_or(|was| was.slow_after != window.slow_after);
        if let Some(slow_after) = window.slow_after.filter(|_| has_changed) {
            let kept = self.shift.filter(|shift| Bucket::suits(*shift, slow_after));
            self.shift = Some(kept.unwrap_or_else(|| Bucket::shift_for(slow_after)));
            self.shards.gate.set_slow_after(slow_after);
            self.due_at = self.due_at.min(now + slow_after);
        }
        let dues = [next_evaluation, Some(window.until), Some(self.due_at)];
        let evaluate_at = dues.into_iter().flatten().min().unwrap_or(Timestamp::END);
        if has_changed || evaluate_at != self.evaluate_at {
            self.evaluate_at = evaluate_at;
            self.shards.gate.set_evaluate_at(now, evaluate_at);
        }
        self.plan_sample(window);
        let shift = self.shift.filter(|_| window.slow_after.is_some());
        let word = GateWord::open(window.generation, window.is_timed, shift);
        self.shards.gate.set(word);
    }

    fn plan_sample(&mut self, window: BatchWindow) {
        let sample_at = window.sample_after.map(|calls| self.taken.started + u64::from(calls));
        if sample_at != self.sample_at {
            self.sample_at = sample_at;
            let each = &self.shards.each;
            each.iter().for_each(|shard| shard.sample_after(window.sample_after));
        }
    }

    /// Returns whether there is a fast path at all.
    pub(crate) fn is_enabled(&self) -> bool {
        self.shards.is_enabled()
    }

    /// Ends the watch of a call that started in this `shard`; returns `false` where it was overdue.
    pub(crate) fn finish(&self, shard: usize, generation: u64, bucket: Bucket) -> bool {
        self.shards.each[shard].finish(generation, bucket)
    }

    /// Returns when the next calls in the shards will be overdue, if they are still in flight then.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.shards.next_due()
    }

    /// Returns whether calls may be in flight in the shards that have to end in time.
    pub(crate) fn may_watch(&self) -> bool {
        self.due_at < Timestamp::END
    }

    /// Forgets the deadlines of all calls in the shards, which are of an older generation.
    pub(crate) fn begin_generation(&mut self, generation: u64) {
        self.due_at = Timestamp::END;
        self.shards.begin_generation(generation);
    }

    /// Returns since when the next calls in the shards are overdue at `now`.
    pub(crate) fn overdue_since(&mut self, now: Timestamp) -> Option<Timestamp> {
        if now < self.due_at {
            return None;
        }
        let since = self.shards.overdue_since(now).map(|(since, _)| since);
        if since.is_none() {
            // What is let through from here on is due later than what starts now.
            let slow_after = self.open.and_then(|open| open.slow_after);
            let dues = [self.next_due(), slow_after.map(|slow_after| now + slow_after)];
            self.due_at = dues.into_iter().flatten().min().unwrap_or(Timestamp::END);
        }
        since
    }

    /// Takes out the next calls in the shards that are overdue at `now`.
    pub(crate) fn next_overdue(&self, now: Timestamp) -> Option<Overdue> {
        loop {
            let (_, shard) = self.shards.overdue_since(now)?;
            // Its last overdue call may just have ended; another shard may have some.
            if let Some(overdue) = shard.next_overdue(now) {
                return Some(overdue);
            }
        }
    }
}
