//! What a few threads write at each call, and no others.
//!
//! A call starts in the shard of the thread that starts it, and ends in that of the one that ends
//! it; its deadline stays where it started. The counts only grow: nothing is reset while calls may
//! be in flight.
//!
//! # Memory ordering
//!
//! The counts are [`Counter`]s. `last_good`, `next_sample` and `backup_timed_at` are relaxed: they
//! guard nothing, and are right a little later, too. `slow_ends` is added to with release and read
//! with acquire, because [`is_drained`](super::shards::Shards::is_drained) goes by it. The
//! deadlines are behind a lock of their own. Calls that started here take it, on whichever thread
//! they end, and so does the thread that holds the breaker's lock; the generation inside makes late
//! calls miss it.

use super::{
    counter::Counter,
    sync::{AtomicU64, Mutex, Ordering, lock},
};
use crate::{
    breaker::deadlines::{Bucket, DeadlineWheel, Overdue},
    machine::Timestamp,
};

/// What the calls of a few threads write. One of the threads owns it: see [`Counter`].
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Shard {
    /// Calls that were let through.
    pub(super) started: Counter,
    /// Good calls that came back, by the parity of their generation.
    pub(super) good: [Counter; 2],
    /// Good calls that were timed, and their latency in nanoseconds.
    pub(super) timed: Counter,
    pub(super) latency: Counter,
    /// Calls that were refused with no backup, that went to a backup, and of these, those that came
    /// back good.
    pub(super) rejected: Counter,
    pub(super) diverted: Counter,
    pub(super) backed_up: Counter,
    /// Calls of all kinds that ended otherwise: under the lock, or after their breaker.
    slow_ends: AtomicU64,
    /// When the last good call that was timed came back.
    last_good: AtomicU64,
    /// With one call fewer started, the next one is for the latency estimator; 0 where none is.
    next_sample: AtomicU64,
    /// When a call to the backup was last timed.
    backup_timed_at: AtomicU64,
    deadlines: Mutex<ShardDeadlines>,
}

/// The deadlines of calls that started in this shard and have to end in time.
#[derive(Debug, Default)]
struct ShardDeadlines {
    generation: u64,
    wheel: DeadlineWheel,
}

/// Of calls that needn't be timed, one in so many is, for the mean latency: timing all would cost
/// more than all the rest.
const TIMED_ONE_IN: u64 = 64;
/// So often at most, in nanoseconds, a shard's calls to the backup are timed while all are refused.
const BACKUP_TIMED_EVERY: u64 = 1_000_000;

impl Shard {
    /// Returns whether the next call is one to time, though it needn't be.
    #[inline(always)]
    pub(super) fn times_next(&self) -> bool {
        self.started.get() % TIMED_ONE_IN == 0
    }

    /// Returns whether the next call is one for the latency estimator, which takes the lock.
    #[inline]
    pub(super) fn samples_next(&self) -> bool {
        // Where it is 0, this is never.
        self.started.get() >= self.next_sample.load(Ordering::Relaxed).wrapping_sub(1)
    }

    pub(super) fn sample_after(&self, calls: Option<u32>) {
        let next_sample = calls.map_or(0, |calls| self.started.get() + u64::from(calls) + 1);
        self.next_sample.store(next_sample, Ordering::Relaxed);
    }

    /// Returns whether a call to the backup that starts now is one to time, and remembers that it
    /// was.
    #[inline]
    pub(super) fn times_backup(&self, now: Timestamp) -> bool {
        let last = self.backup_timed_at.load(Ordering::Relaxed);
        let times = last == 0 || now.as_nanos().abs_diff(last) >= BACKUP_TIMED_EVERY;
        if times {
            self.backup_timed_at.store(now.as_nanos(), Ordering::Relaxed);
        }
        times
    }

    /// Counts a good call that came back at `now`.
    #[inline]
    pub(super) fn count_timed(&self, parity: usize, latency: u64, now: Timestamp, is_own: bool) {
        // Before the count: a reader that sees the call come back may ask when.
        self.last_good.store(now.as_nanos(), Ordering::Relaxed);
        self.good[parity].add(1, is_own);
        self.timed.add(1, is_own);
        self.latency.add(latency, is_own);
    }

    pub(super) fn last_good(&self) -> Timestamp {
        Timestamp::from_nanos(self.last_good.load(Ordering::Relaxed))
    }

    pub(super) fn count_slow_end(&self) {
        self.slow_ends.fetch_add(1, Ordering::Release);
    }

    /// Returns how many calls have ended here, to be compared with [`begun`](Self::begun) of all
    /// shards.
    pub(super) fn ended(&self) -> u64 {
        let good = self.good[0].get() + self.good[1].get();
        good + self.backed_up.get() + self.slow_ends.load(Ordering::Acquire)
    }

    /// Returns how many calls were given a permit here.
    pub(super) fn begun(&self) -> u64 {
        self.started.get() + self.diverted.get()
    }

    /// Watches a call of this generation that starts at `now`; returns `false` where there is no
    /// place for it.
    #[inline]
    pub(super) fn watch(&self, generation: u64, bucket: Bucket, now: Timestamp) -> bool {
        self.with_deadlines(|deadlines| deadlines.generation == generation && deadlines.wheel.watch_in(bucket, now))
    }

    /// Takes back a watch that has just begun; returns `false` where the call has been found
    /// overdue meanwhile.
    pub(super) fn unwatch(&self, generation: u64, bucket: Bucket) -> bool {
        self.with_deadlines(|deadlines| deadlines.generation != generation || deadlines.wheel.finish(bucket))
    }

    /// Ends the watch of a call that started here; returns `false` where it was overdue, or is of
    /// an older generation.
    #[inline]
    pub(super) fn finish(&self, generation: u64, bucket: Bucket) -> bool {
        self.with_deadlines(|deadlines| deadlines.generation == generation && deadlines.wheel.finish(bucket))
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.with_deadlines(|deadlines| deadlines.wheel.next_due())
    }

    pub(super) fn overdue_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.with_deadlines(|deadlines| deadlines.wheel.overdue_since(now))
    }

    pub(super) fn next_overdue(&self, now: Timestamp) -> Option<Overdue> {
        self.with_deadlines(|deadlines| deadlines.wheel.next_overdue(now))
    }

    /// Forgets all deadlines, and watches calls of this generation from here on.
    pub(super) fn begin_generation(&self, generation: u64) {
        self.with_deadlines(|deadlines| {
            deadlines.generation = generation;
            deadlines.wheel.clear();
        });
    }

    /// Forgets what belongs to the breaker's clock and generation. The counts stay.
    pub(super) fn clear(&self) {
        for word in [&self.last_good, &self.next_sample, &self.backup_timed_at] {
            word.store(0, Ordering::Relaxed);
        }
        self.begin_generation(0);
    }

    #[inline(always)]
    fn with_deadlines<R>(&self, act: impl FnOnce(&mut ShardDeadlines) -> R) -> R {
        act(&mut lock(&self.deadlines))
    }
}
