//! The breaker's side of its shards: it opens and closes the gate, and knows how much of the counts has been reported.
//!
//! It is behind the breaker's lock. The counts only grow; the reader keeps what it has taken, and takes the rest. Good calls
//! of the current generation's parity are evidence, those of the other parity came too late. While the gate is closed, calls
//! of the current generation may still be counted by a thread that saw it open.

use std::mem::replace;

use super::{
    gate::GateWord,
    shard::Shard,
    shards::{FastCalls, RefusedCalls, Shards},
};
use crate::{
    breaker::deadlines::{Bucket, Overdue},
    machine::{BatchWindow, RejectWindow, SuccessBatch, Timestamp},
};

/// Opens and closes the gate, and tracks how much of the counts has been reported. Protected by the breaker's lock.
#[derive(Debug)]
pub(in crate::breaker) struct ShardReader {
    /// What had been counted for earlier owners.
    before: FastCalls,
    open: Option<BatchWindow>,
    /// Of the buckets that calls are watched in, if they have to end in time.
    shift: Option<u8>,
    /// No call in the shards is overdue before this.
    due_at: Timestamp,
    evaluate_at: Timestamp,
    /// How many calls had started when this was last reported.
    reported: u64,
    reported_refused: RefusedCalls,
    /// How many good calls have been reported, by parity.
    reported_good: [u64; 2],
    /// With so many calls started, the next one is for the latency estimator.
    sample_at: Option<u64>,
}

/// Good calls that were counted in the shards since they were last read.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::breaker) struct GoodCalls {
    pub(in crate::breaker) current: u64,
    /// Those of a generation that is over.
    pub(in crate::breaker) stale: u64,
}

impl ShardReader {
    pub(in crate::breaker) fn new(shards: &Shards) -> Self {
        let before = shards.calls();
        Self {
            before,
            open: None,
            shift: None,
            due_at: Timestamp::END,
            evaluate_at: Timestamp::START,
            reported: before.started,
            reported_refused: shards.refused(),
            reported_good: shards.good(),
            sample_at: None,
        }
    }

    /// Returns the counts of calls on the fast path since the breaker was made.
    pub(in crate::breaker) fn calls(&self, shards: &Shards) -> FastCalls {
        let (all, before) = (shards.calls(), self.before);
        FastCalls {
            started: all.started - before.started,
            timed: all.timed - before.timed,
            // A clock that jumped may have added more than fits.
            latency: all.latency.wrapping_sub(before.latency),
        }
    }

    /// Takes the calls that have been refused since this was last asked.
    pub(in crate::breaker) fn take_refused(&mut self, shards: &Shards) -> RefusedCalls {
        let all = shards.refused();
        let reported = replace(&mut self.reported_refused, all);
        RefusedCalls {
            rejected: all.rejected - reported.rejected,
            diverted: all.diverted - reported.diverted,
            backed_up: all.backed_up - reported.backed_up,
        }
    }

    /// Takes the good calls that have been counted since this was last asked; `generation` is the current one.
    pub(in crate::breaker) fn take_good(&mut self, shards: &Shards, generation: u64) -> GoodCalls {
        let all = shards.good();
        let reported = replace(&mut self.reported_good, all);
        let parity = (generation & 1) as usize;
        GoodCalls {
            current: all[parity] - reported[parity],
            stale: all[1 - parity] - reported[1 - parity],
        }
    }

    /// Returns good calls as a batch, if they were counted while the gate was open. Calls that weren't timed came back before
    /// `now`, and nothing tells when.
    pub(in crate::breaker) fn batch(&mut self, good: u64, shards: &Shards, now: Timestamp) -> Option<SuccessBatch> {
        let open = self.open?;
        let started = shards.started();
        let last_good = || shards.each.iter().map(Shard::last_good).max();
        Some(SuccessBatch {
            generation: open.generation,
            started: started - replace(&mut self.reported, started),
            good,
            last: open.is_timed.then(last_good).flatten().unwrap_or(now),
        })
    }

    /// Closes the gate where it is open for another window than this. Returns the good calls that were counted until that very
    /// moment, and the number of stale ones.
    pub(in crate::breaker) fn close_unless(
        &mut self,
        window: Option<&BatchWindow>,
        shards: &Shards,
        now: Timestamp,
    ) -> Option<(SuccessBatch, u64)> {
        let open = self.open?;
        let same = |window: &BatchWindow| (window.generation, window.is_timed) == (open.generation, open.is_timed);
        if window.is_some_and(same) {
            return None;
        }
        shards.gate.set(GateWord::CLOSED);
        let good = self.take_good(shards, open.generation);
        let last = self.batch(good.current, shards, now)?;
        self.open = None;
        Some((last, good.stale))
    }

    /// While the gate is closed, publishes whether all calls are refused, or some of them.
    pub(in crate::breaker) fn refuse_if(
        &self,
        refusing: Option<RejectWindow>,
        is_partial: bool,
        generation: u64,
        shards: &Shards,
        now: Timestamp,
    ) {
        match refusing {
            _ if self.open.is_some() || !shards.is_enabled() => {}
            Some(window) => shards.gate.refuse(generation, window, now),
            None if is_partial => shards.gate.set(GateWord::PARTIAL),
            None => shards.gate.set(GateWord::CLOSED),
        }
    }

    /// Opens the gate, if it isn't open, and publishes what calls go by. `next_evaluation` is when there may be something to
    /// decide that doesn't come from the shards.
    pub(in crate::breaker) fn open(
        &mut self,
        window: BatchWindow,
        next_evaluation: Option<Timestamp>,
        shards: &Shards,
        now: Timestamp,
    ) {
        let was = self.open.replace(window);
        let has_changed = was.is_none_or(|was| was.slow_after != window.slow_after);
        if let Some(slow_after) = window.slow_after.filter(|_| has_changed) {
            let kept = self.shift.filter(|shift| Bucket::suits(*shift, slow_after));
            self.shift = Some(kept.unwrap_or_else(|| Bucket::shift_for(slow_after)));
            shards.gate.set_slow_after(slow_after);
            self.due_at = self.due_at.min(now + slow_after);
        }
        let dues = [next_evaluation, Some(window.until), Some(self.due_at)];
        let evaluate_at = dues.into_iter().flatten().min().unwrap_or(Timestamp::END);
        if has_changed || evaluate_at != self.evaluate_at {
            self.evaluate_at = evaluate_at;
            shards.gate.set_evaluate_at(now, evaluate_at);
        }
        self.plan_sample(window, shards);
        let shift = self.shift.filter(|_| window.slow_after.is_some());
        shards
            .gate
            .set(GateWord::open(window.generation, window.is_timed, shift));
    }

    fn plan_sample(&mut self, window: BatchWindow, shards: &Shards) {
        let sample_at = window.pass_over.map(|calls| self.reported + u64::from(calls));
        if sample_at != self.sample_at {
            self.sample_at = sample_at;
            shards
                .each
                .iter()
                .for_each(|shard| shard.sample_after(window.pass_over));
        }
    }

    /// Returns whether calls may be in flight in the shards that have to end in time.
    pub(in crate::breaker) fn may_watch(&self) -> bool {
        self.due_at < Timestamp::END
    }

    /// Forgets the deadlines of all calls in the shards, which are of an older generation.
    pub(in crate::breaker) fn begin_generation(&mut self, shards: &Shards, generation: u64) {
        self.due_at = Timestamp::END;
        shards.begin_generation(generation);
    }

    /// Returns since when the next calls in the shards are overdue at `now`.
    pub(in crate::breaker) fn overdue_since(&mut self, shards: &Shards, now: Timestamp) -> Option<Timestamp> {
        if now < self.due_at {
            return None;
        }
        let since = shards.overdue_since(now).map(|(since, _)| since);
        if since.is_none() {
            // What is let through from here on is due later than what starts now.
            let next = self
                .open
                .and_then(|open| open.slow_after)
                .map(|slow_after| now + slow_after);
            self.due_at = shards
                .next_due()
                .into_iter()
                .chain(next)
                .min()
                .unwrap_or(Timestamp::END);
        }
        since
    }

    /// Takes out the next calls in the shards that are overdue at `now`.
    pub(in crate::breaker) fn next_overdue(&self, shards: &Shards, now: Timestamp) -> Option<Overdue> {
        shards.overdue_since(now).and_then(|(_, shard)| shard.next_overdue(now))
    }
}
