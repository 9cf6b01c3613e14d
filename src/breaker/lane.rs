use super::slots::Slots;
use crate::{
    machine::Timestamp,
    sync::{AtomicU64, Ordering},
};

/// What the calls of a few threads write, and no others: each healthy call passes through one lane, and takes no lock.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Lane {
    /// Whether calls may pass, for what, and how many good ones have come back since this was last asked.
    gate: AtomicU64,
    /// Calls that have passed, of the one thread that has the lane to itself: nobody else writes it, so it takes no locked operation.
    started: AtomicU64,
    /// Calls of all others.
    started_too: AtomicU64,
    /// Calls that were refused, and of them those that then went to a backup.
    refused: AtomicU64,
    diverted: AtomicU64,
    /// How many may have passed when the next one is stopped to be looked at.
    stops_at: AtomicU64,
    /// Nanoseconds, of all good calls that were timed.
    latency: AtomicU64,
    /// Of calls that needn't be timed: how many good ones were.
    timed: AtomicU64,
    /// When the last one of them came back.
    last_good: AtomicU64,
    pub(super) slots: Slots,
}

/// What a gate is open for: calls of a generation (as much of its number as fits), timed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u32);

/// Calls that the primary could not have, and of them those that then went to a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RefusedCalls {
    pub(super) refused: u64,
    pub(super) diverted: u64,
}

/// Of calls that needn't be timed, one in so many is, for the mean latency. To time them all would cost far more than all the rest.
const TIMED_ONE_IN: u64 = 64;

const OPEN: u64 = 1 << 63;
const COUNT_BITS: u32 = 40;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

impl Tag {
    pub(super) const BITS: u32 = 63 - COUNT_BITS;

    pub(super) fn new(generation: u64, is_timed: bool) -> Self {
        Self::from_bits(generation << 1 | u64::from(is_timed))
    }

    #[inline]
    pub(super) fn from_bits(bits: u64) -> Self {
        Self((bits & ((1 << Self::BITS) - 1)) as u32)
    }

    pub(super) fn bits(self) -> u64 {
        self.0.into()
    }

    #[inline]
    pub(super) fn is_timed(self) -> bool {
        self.0 & 1 != 0
    }

    pub(super) fn is_of(self, generation: u64) -> bool {
        self == Self::new(generation, self.is_timed())
    }

    #[inline]
    fn open_gate(self) -> u64 {
        OPEN | self.bits() << COUNT_BITS
    }

    #[inline]
    fn is_open_at(self, gate: u64) -> bool {
        gate & !COUNT == self.open_gate()
    }
}

impl Default for Lane {
    /// A closed one.
    fn default() -> Self {
        Self {
            gate: AtomicU64::new(0),
            started: AtomicU64::new(0),
            started_too: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            diverted: AtomicU64::new(0),
            stops_at: AtomicU64::new(u64::MAX),
            latency: AtomicU64::new(0),
            timed: AtomicU64::new(0),
            last_good: AtomicU64::new(0),
            slots: Slots::default(),
        }
    }
}

impl Lane {
    #[inline]
    pub(super) fn is_open_for(&self, tag: Tag) -> bool {
        tag.is_open_at(self.gate.load(Ordering::Acquire))
    }

    /// Whether the next call is one to be looked at.
    #[inline]
    pub(super) fn stops(&self) -> bool {
        self.started() >= self.stops_at.load(Ordering::Relaxed)
    }

    /// Whether the next call is one to time, though it needn't be.
    #[inline]
    pub(super) fn times(&self) -> bool {
        self.started() % TIMED_ONE_IN == 0
    }

    /// Counts a call that passes, of the thread that has the lane to itself or of another.
    #[inline]
    pub(super) fn start(&self, is_own: bool) {
        if is_own {
            self.started
                .store(self.started.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        } else {
            self.started_too.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed) + self.started_too.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn refuse(&self, diverts: bool) {
        if diverts {
            self.diverted.fetch_add(1, Ordering::Relaxed);
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn take_refused(&self) -> RefusedCalls {
        let take = |count: &AtomicU64| match count.load(Ordering::Relaxed) {
            0 => 0,
            _ => count.swap(0, Ordering::Relaxed),
        };
        RefusedCalls {
            refused: take(&self.refused),
            diverted: take(&self.diverted),
        }
    }

    /// Counts a good call, unless the gate has been closed, or opened for others, since that call passed.
    #[inline(always)]
    pub(super) fn count_good(&self, tag: Tag) -> bool {
        let mut gate = self.gate.load(Ordering::Relaxed);
        // The count never runs into the tag: far from it, the call is told in another way.
        while tag.is_open_at(gate) && gate & COUNT < COUNT {
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
    pub(super) fn count_timed(&self, tag: Tag, latency: u64, now: Timestamp) -> bool {
        // Whoever sees the count sees the time as well.
        self.last_good.store(now.as_nanos(), Ordering::Relaxed);
        let counted = self.count_good(tag);
        if counted {
            self.latency.fetch_add(latency, Ordering::Relaxed);
            if !tag.is_timed() {
                self.timed.fetch_add(1, Ordering::Relaxed);
            }
        }
        counted
    }

    pub(super) fn timed(&self) -> u64 {
        self.timed.load(Ordering::Relaxed)
    }

    pub(super) fn latency(&self) -> u64 {
        self.latency.load(Ordering::Relaxed)
    }

    pub(super) fn last_good(&self) -> Timestamp {
        Timestamp::from_nanos(self.last_good.load(Ordering::Relaxed))
    }

    /// Takes the good calls that were counted.
    pub(super) fn take_good(&self) -> u64 {
        if self.gate.load(Ordering::Relaxed) & COUNT == 0 {
            return 0;
        }
        self.gate.fetch_and(!COUNT, Ordering::Acquire) & COUNT
    }

    pub(super) fn open(&self, tag: Tag) {
        self.gate.store(tag.open_gate(), Ordering::Release);
    }

    /// From here on no call passes, and none is counted; those that were are taken.
    pub(super) fn close(&self) -> u64 {
        self.gate.swap(0, Ordering::Acquire) & COUNT
    }

    pub(super) fn stop_after(&self, calls: Option<u32>) {
        let stops_at = calls.map_or(u64::MAX, |calls| self.started() + u64::from(calls));
        self.stops_at.store(stops_at, Ordering::Relaxed);
    }
}
