use std::{array::from_fn, num::NonZeroU8};

use crate::{
    machine::Timestamp,
    sync::{AtomicU32, Ordering},
};

/// How many slots of time a lane knows of at once.
pub(super) const SLOTS: u64 = 128;

/// A slot of time in which calls are due, in a ring of slots of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) ring: NonZeroU8,
    pub(super) number: u64,
}

/// A lane's calls in flight that have to end in time, counted by when they are due. A ring: slot `n` is in place `n % SLOTS`, in a word
/// that also says which slot it is, so that one compare tells whether a call still counts there.
#[derive(Debug)]
pub(super) struct Slots {
    words: [AtomicU32; SLOTS as usize],
}

const COUNT_BITS: u32 = 14;
const COUNT: u32 = (1 << COUNT_BITS) - 1;
const LAP_BITS: u32 = 10;

/// A word in which no call is noted.
const RETIRED: u32 = 0;

impl Slot {
    /// The slot in which a call is due, of slots that last 2^`shift` nanoseconds.
    #[inline]
    pub(super) fn due(due: Timestamp, ring: NonZeroU8, shift: u8) -> Self {
        let due = due.as_nanos();
        let full = due >> shift;
        Self {
            ring,
            number: full + u64::from(full << shift != due),
        }
    }

    #[inline]
    fn place(self) -> usize {
        (self.number % SLOTS) as usize
    }

    /// The word of this slot with no calls. A place is another slot's by the next lap, or in another ring. (To take a slot for one that is 1024
    /// laps away, a thread would have to stand still for as long between reading the clock and noting its call: 2000 time limits.)
    #[inline]
    fn empty_word(self) -> u32 {
        let lap = (self.number / SLOTS) as u32 & ((1 << LAP_BITS) - 1);
        (u32::from(self.ring.get()) << LAP_BITS | lap) << COUNT_BITS
    }
}

impl Slots {
    /// Notes a call that is due in this slot; `false` where the slot isn't there.
    #[inline]
    pub(super) fn note(&self, slot: Slot) -> bool {
        self.change(slot, |count| (count < COUNT).then(|| count + 1))
    }

    /// A call is over that was noted here; `false` where it was taken out as overdue before.
    #[inline]
    pub(super) fn finish(&self, slot: Slot) -> bool {
        self.change(slot, |count| count.checked_sub(1))
    }

    // The words guard nothing but themselves, so no order is needed between them.
    #[inline]
    fn change(&self, slot: Slot, change: impl Fn(u32) -> Option<u32>) -> bool {
        let word = &self.words[slot.place()];
        let mut old = word.load(Ordering::Relaxed);
        while old & !COUNT == slot.empty_word() {
            let Some(count) = change(old & COUNT) else {
                return false;
            };
            match word.compare_exchange_weak(old, slot.empty_word() | count, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(changed) => old = changed,
            }
        }
        false
    }

    pub(super) fn is_empty(&self, slot: Slot) -> bool {
        self.words[slot.place()].load(Ordering::Relaxed) & COUNT == 0
    }

    /// Takes out the calls of the slot that is in this one's place, which this one takes over.
    pub(super) fn make_place_for(&self, slot: Slot) -> u32 {
        self.words[slot.place()].swap(slot.empty_word(), Ordering::Relaxed) & COUNT
    }

    /// Takes out the calls of this slot; none is noted in its place until it is [made](Self::make_place_for) for another.
    pub(super) fn retire(&self, slot: Slot) -> u32 {
        self.words[slot.place()].swap(RETIRED, Ordering::Relaxed) & COUNT
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            words: from_fn(|_| AtomicU32::default()),
        }
    }
}
