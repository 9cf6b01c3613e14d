use super::{count::Count, slots::Slots};
use crate::{
    machine::Timestamp,
    sync::{AtomicU64, Ordering},
};

/// What the calls of a few threads write, and no others. A healthy call starts in the lane of the thread that starts it, ends in that of the one that ends it, and takes no
/// lock.
///
/// Of the threads, one has the lane to itself: what it alone writes takes no locked operation.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Lane {
    /// What the thread that has the lane to itself has adopted, and how many of its good calls have come back since. It writes this; others only read it.
    good: AtomicU64,
    /// For all other threads: whether calls may pass, for what, and how many good ones have come back since this was last asked.
    gate: AtomicU64,
    /// Calls that have passed.
    started: Count,
    /// How many may have passed when the next one is stopped to be looked at.
    stops_at: AtomicU64,
    /// Nanoseconds, of all good calls that were timed.
    latency: Count,
    /// Of calls that needn't be timed: how many good ones were.
    timed: AtomicU64,
    /// When the last one of them came back.
    last_good: AtomicU64,
    /// Calls that were refused, for no backup; that went to a backup; and of these, those that came back good and weren't timed.
    pub(super) rejected: Count,
    pub(super) diverted: Count,
    pub(super) backed_up: Count,
    /// When a call to the backup was last timed.
    backup_timed_at: AtomicU64,
    pub(super) slots: Slots,
}

/// What calls pass for: those of a generation (as much of its number as fits), timed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u32);

/// Of calls that needn't be timed, one in so many is, for the mean latency. To time them all would cost far more than all the rest.
const TIMED_ONE_IN: u64 = 64;
/// So often at most, in nanoseconds, a lane's calls to the backup are timed while all are refused.
const BACKUP_TIMED_EVERY: u64 = 1_000_000;

const OPEN: u64 = 1 << 63;
pub(super) const COUNT_BITS: u32 = 32;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

impl Tag {
    const BITS: u32 = 63 - COUNT_BITS;
    /// Of generations, as far as that fits.
    const LAST: u64 = (1 << (Self::BITS - 1)) - 1;

    pub(super) fn new(generation: u64, is_timed: bool) -> Self {
        Self(((generation << 1 | u64::from(is_timed)) & ((1 << Self::BITS) - 1)) as u32)
    }

    /// What is left of a word that begins with it.
    #[inline]
    pub(super) fn of(word: u64) -> Self {
        Self((word << 1 >> (COUNT_BITS + 1)) as u32)
    }

    #[inline]
    pub(super) fn is_timed(self) -> bool {
        self.0 & 1 != 0
    }

    /// Which generation it is, for somebody who had the lanes after so many others' and is in this one now. As much of its number as fits may be an
    /// older one's, too; `None` where it is nobody's since.
    pub(super) fn generation(self, before: u64, current: u64) -> Option<u64> {
        let behind = (before + current).wrapping_sub(u64::from(self.0 >> 1)) & Self::LAST;
        current.checked_sub(behind).filter(|generation| *generation > 0)
    }

    /// Whether its generation came after so many others: fewer than half a billion ago.
    pub(super) fn is_after(self, before: u64) -> bool {
        (1..=Self::LAST / 2).contains(&(u64::from(self.0 >> 1).wrapping_sub(before) & Self::LAST))
    }

    /// The beginning of a word that lets its calls pass.
    #[inline]
    pub(super) fn open(self) -> u64 {
        OPEN | self.closed()
    }

    /// The beginning of a word that doesn't.
    #[inline]
    pub(super) fn closed(self) -> u64 {
        u64::from(self.0) << COUNT_BITS
    }
}

/// Whether calls pass by these terms at all.
#[inline(always)]
pub(super) fn is_open(terms: u64) -> bool {
    terms & OPEN != 0
}

impl Default for Lane {
    /// A closed one.
    fn default() -> Self {
        Self {
            good: AtomicU64::new(0),
            gate: AtomicU64::new(0),
            started: Count::default(),
            stops_at: AtomicU64::new(u64::MAX),
            latency: Count::default(),
            timed: AtomicU64::new(0),
            last_good: AtomicU64::new(0),
            rejected: Count::default(),
            diverted: Count::default(),
            backed_up: Count::default(),
            backup_timed_at: AtomicU64::new(0),
            slots: Slots::default(),
        }
    }
}

impl Lane {
    /// Whether a call may pass by these terms; `is_own` for the thread that has the lane to itself.
    #[inline(always)]
    pub(super) fn lets_pass(&self, terms: u64, is_own: bool) -> bool {
        let word = if is_own { &self.good } else { &self.gate };
        is_open(terms) && (word.load(Ordering::Acquire) ^ terms) >> COUNT_BITS == 0
    }

    /// Whether the next call is one to be looked at.
    #[inline]
    pub(super) fn stops(&self) -> bool {
        self.started() >= self.stops_at.load(Ordering::Relaxed)
    }

    /// Whether the next call is one to time, though it needn't be.
    #[inline(always)]
    pub(super) fn times(&self) -> bool {
        self.started() % TIMED_ONE_IN == 0
    }

    /// Whether a call to the backup that starts now is one to time.
    #[inline]
    pub(super) fn times_backup(&self, now: Timestamp) -> bool {
        let last = self.backup_timed_at.load(Ordering::Relaxed);
        let times = last == 0 || now.as_nanos().abs_diff(last) >= BACKUP_TIMED_EVERY;
        if times {
            self.backup_timed_at.store(now.as_nanos(), Ordering::Relaxed);
        }
        times
    }

    /// Counts a call that passes.
    #[inline(always)]
    pub(super) fn start(&self, is_own: bool) {
        self.started.add(1, is_own);
    }

    #[inline(always)]
    pub(super) fn started(&self) -> u64 {
        self.started.get()
    }

    /// Counts a good call that passed by these terms, unless that thread goes by others now.
    #[inline(always)]
    pub(super) fn count_good(&self, terms: u64, is_own: bool) -> bool {
        if is_own {
            self.count_own(terms)
        } else {
            self.count_at_gate(terms)
        }
    }

    #[inline(always)]
    fn count_own(&self, terms: u64) -> bool {
        let word = self.good.load(Ordering::Relaxed);
        // The count never runs into the tag: far from it, the call is told in another way.
        let counts = (word ^ terms) >> COUNT_BITS == 0 && word & COUNT < COUNT;
        if counts {
            // Whoever sees the count sees what came before.
            self.good.store(word + 1, Ordering::Release);
        }
        counts
    }

    fn count_at_gate(&self, terms: u64) -> bool {
        let mut gate = self.gate.load(Ordering::Relaxed);
        while (gate ^ terms) >> COUNT_BITS == 0 && gate & COUNT < COUNT {
            match self
                .gate
                .compare_exchange_weak(gate, gate + 1, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(changed) => gate = changed,
            }
        }
        false
    }

    /// As [`count_good`](Self::count_good), for a call that came back at `now`.
    #[inline]
    pub(super) fn count_timed(&self, terms: u64, is_own: bool, latency: u64, now: Timestamp) -> bool {
        self.last_good.store(now.as_nanos(), Ordering::Relaxed);
        let counted = self.count_good(terms, is_own);
        if counted {
            self.latency.add(latency, is_own);
            if !Tag::of(terms).is_timed() {
                self.timed.fetch_add(1, Ordering::Relaxed);
            }
        }
        counted
    }

    pub(super) fn timed(&self) -> u64 {
        self.timed.load(Ordering::Relaxed)
    }

    pub(super) fn latency(&self) -> u64 {
        self.latency.get()
    }

    pub(super) fn last_good(&self) -> Timestamp {
        Timestamp::from_nanos(self.last_good.load(Ordering::Relaxed))
    }

    /// What the thread that has the lane to itself goes by, and how many good calls it has counted there.
    pub(super) fn own_good(&self) -> (u64, u64) {
        let word = self.good.load(Ordering::Acquire);
        (word & !COUNT, word & COUNT)
    }

    /// Whether the thread that has the lane to itself goes by this, and can count on.
    pub(super) fn goes_by(&self, tag: Tag) -> bool {
        let (by, good) = self.own_good();
        by == tag.open() && good < COUNT
    }

    /// The thread that has the lane to itself goes by this from here on. For that thread to say.
    pub(super) fn adopt(&self, tag: Tag) {
        self.good.store(tag.open(), Ordering::Release);
    }

    /// Takes the good calls that other threads have counted.
    pub(super) fn take_good(&self) -> u64 {
        if self.gate.load(Ordering::Relaxed) & COUNT == 0 {
            return 0;
        }
        self.gate.fetch_and(!COUNT, Ordering::Acquire) & COUNT
    }

    pub(super) fn open(&self, tag: Tag) {
        self.gate.store(tag.open(), Ordering::Release);
    }

    /// From here on no call of other threads passes, and none is counted; those that were are taken.
    pub(super) fn close(&self) -> u64 {
        self.gate.swap(0, Ordering::Acquire) & COUNT
    }

    /// As new, but for what only grows, and what its own thread goes by.
    pub(super) fn clear(&self) {
        self.close();
        self.stops_at.store(u64::MAX, Ordering::Relaxed);
        self.last_good.store(0, Ordering::Relaxed);
        self.backup_timed_at.store(0, Ordering::Relaxed);
    }

    pub(super) fn stop_after(&self, calls: Option<u32>) {
        let stops_at = calls.map_or(u64::MAX, |calls| self.started() + u64::from(calls));
        self.stops_at.store(stops_at, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(breaker_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_full_count_takes_no_more_until_it_is_begun_anew() {
        let (lane, tag) = (Lane::default(), Tag::new(7, false));
        lane.adopt(tag);
        assert!(lane.goes_by(tag) && lane.count_good(tag.open(), true));
        lane.good.store(tag.open() | COUNT, Ordering::Relaxed);
        assert!(!lane.goes_by(tag) && !lane.count_good(tag.open(), true));
        assert_eq!(lane.own_good(), (tag.open(), COUNT));
        lane.adopt(tag);
        assert!(lane.count_good(tag.open(), true));
        assert_eq!(lane.own_good(), (tag.open(), 1));
    }

    #[test]
    fn a_tag_tells_its_generation_from_those_of_others_before() {
        let all = 1 << (Tag::BITS - 1);
        // As many generations before as the tag counts, and a few more, so that it begins at 0 again in between.
        for before in [0, 10, all - 2, all + 3] {
            for generation in 1..5 {
                let tag = Tag::new(before + generation, true);
                assert!(tag.is_after(before));
                assert_eq!(tag.generation(before, 4), Some(generation));
                assert!(!tag.is_after(before + generation));
                assert_eq!(tag.generation(before + generation, 4), None);
            }
        }
    }
}
