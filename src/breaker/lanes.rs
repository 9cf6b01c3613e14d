use std::{num::NonZeroU8, time::Duration};

use super::{
    lane::{Lane, Tag},
    slots::Slot,
};
use crate::{
    clock::Clock,
    machine::Timestamp,
    sync::{AtomicU64, Ordering},
};

/// The way past the lock, for the calls of a healthy primary: open while the machine is [calm](crate::machine::Machine::calm).
///
/// What is written at every call is a lane's, which a thread seldom shares with another; what all read is written when something changes.
/// A call that finds anything out of the ordinary takes the lock instead: the lanes decide nothing.
#[derive(Debug)]
pub(super) struct Lanes {
    board: Board,
    each: Box<[Lane]>,
}

/// What all go by.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Board {
    terms: AtomicU64,
    /// In nanoseconds.
    slow_after: AtomicU64,
    /// When this was written. A clock that has gone back since is to be looked at, too.
    looked_at: AtomicU64,
    /// From when on each call has to be looked at.
    look_at: AtomicU64,
}

/// No generation has these terms, or one in four million, which has to do without.
const CLOSED: u64 = 0;
/// A generation's number is further to the left.
const REFUSING: u64 = 1;

/// What belongs together on the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) tag: Tag,
    /// The slots in which calls are noted, if they have to end in time.
    pub(super) ring: Option<RingTerms>,
}

/// A ring of slots that last 2^`shift` nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RingTerms {
    pub(super) id: NonZeroU8,
    pub(super) shift: u8,
}

/// The right to make one call, which passed the lock by.
#[derive(Debug)]
pub(super) struct Pass {
    tag: Tag,
    ring: Option<RingTerms>,
    is_timed: bool,
    started: Timestamp,
    /// When it is slow; never, if it needn't end in time.
    due: Timestamp,
}

/// Why a call may not pass, and what the clock said if it was asked.
pub(super) type Stopped = Option<Timestamp>;

impl Pass {
    pub(super) fn is_of(&self, generation: u64) -> bool {
        self.tag.is_of(generation)
    }

    /// `None` where it doesn't matter how long it takes.
    pub(super) fn started(&self) -> Option<Timestamp> {
        self.is_timed.then_some(self.started)
    }

    pub(super) fn slow_after(&self) -> Option<Duration> {
        self.ring.map(|_| self.due.since(self.started))
    }

    /// Where it is noted, if it has to end in time.
    #[inline]
    pub(super) fn slot(&self) -> Option<Slot> {
        self.ring.map(|ring| Slot::due(self.due, ring.id, ring.shift))
    }
}

impl Terms {
    const SHIFT_BITS: u32 = 6;

    fn packed(self) -> u64 {
        let (id, shift) = self.ring.map_or((0, 0), |ring| (ring.id.get(), ring.shift));
        (self.tag.bits() << Self::SHIFT_BITS | u64::from(shift)) << u8::BITS | u64::from(id)
    }

    #[inline]
    fn unpacked(packed: u64) -> Self {
        let shift = packed >> u8::BITS;
        Self {
            tag: Tag::from_bits(shift >> Self::SHIFT_BITS),
            ring: NonZeroU8::new(packed as u8).map(|id| RingTerms {
                id,
                shift: shift as u8 & ((1 << Self::SHIFT_BITS) - 1),
            }),
        }
    }
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self {
            board: Board::default(),
            each: (0..lanes_needed()).map(|_| Lane::default()).collect(),
        }
    }

    /// No way past the lock.
    #[cfg(feature = "keyed")]
    pub(super) fn none() -> Self {
        Self {
            board: Board::default(),
            each: Box::default(),
        }
    }

    pub(super) fn each(&self) -> &[Lane] {
        &self.each
    }

    /// Whether all calls go to the primary, or none does; `None` where it takes a closer look to tell.
    #[inline]
    pub(super) fn all_flow(&self) -> Option<bool> {
        match self.board.terms.load(Ordering::Acquire) {
            CLOSED => None,
            REFUSING => Some(false),
            _ => Some(true),
        }
    }

    /// Lets a call pass, unless somebody has to look at it.
    #[inline]
    pub(super) fn start(&self, lane: usize, clock: &dyn Clock) -> Result<Pass, Stopped> {
        let Some(lane) = self.each.get(lane) else {
            return Err(None);
        };
        let terms = Terms::unpacked(self.board.terms.load(Ordering::Acquire));
        if !lane.is_open_for(terms.tag) {
            return Err(None);
        }
        let mut pass = Pass {
            tag: terms.tag,
            ring: terms.ring,
            is_timed: terms.tag.is_timed() || lane.times(),
            started: Timestamp::START,
            due: Timestamp::END,
        };
        if pass.is_timed {
            pass.started = clock.now().into();
            if self.wants_look(pass.started) || lane.stops() || !self.note(lane, &mut pass) {
                return Err(Some(pass.started));
            }
        }
        lane.start();
        Ok(pass)
    }

    /// Notes when the call has to end, if it has to; `false` where there is no such slot any more.
    #[inline]
    fn note(&self, lane: &Lane, pass: &mut Pass) -> bool {
        if pass.ring.is_some() {
            let slow_after = self.board.slow_after.load(Ordering::Relaxed);
            pass.due = Timestamp::from_nanos(pass.started.as_nanos().saturating_add(slow_after));
        }
        pass.slot().is_none_or(|slot| lane.slots.note(slot))
    }

    /// Counts a call that came back and is good, unless it has to be looked at.
    #[inline]
    pub(super) fn finish(&self, lane: usize, pass: &mut Pass, clock: &dyn Clock) -> Result<(), Stopped> {
        let lane = &self.each[lane];
        if !pass.is_timed {
            return if lane.count_good(pass.tag) { Ok(()) } else { Err(None) };
        }
        let now = clock.now().into();
        if self.wants_look(now) || now > pass.due || pass.slot().is_some_and(|slot| !lane.slots.finish(slot)) {
            return Err(Some(now));
        }
        pass.ring = None;
        let latency = now.as_nanos().saturating_sub(pass.started.as_nanos());
        if lane.count_timed(pass.tag, latency, now) {
            Ok(())
        } else {
            Err(Some(now))
        }
    }

    #[inline]
    fn wants_look(&self, now: Timestamp) -> bool {
        let now = now.as_nanos();
        now >= self.board.look_at.load(Ordering::Acquire) || now < self.board.looked_at.load(Ordering::Acquire)
    }

    /// Calls that have passed, since the lanes were made.
    pub(super) fn started(&self) -> u64 {
        self.each.iter().map(Lane::started).sum()
    }

    /// The latency of good calls that were timed, added up.
    pub(super) fn latency(&self) -> Duration {
        Duration::from_nanos(self.each.iter().map(Lane::latency).fold(0, u64::saturating_add))
    }

    /// Of good calls that needn't have been timed: how many were.
    pub(super) fn timed(&self) -> u64 {
        self.each.iter().map(Lane::timed).sum()
    }

    /// Says what calls go by from now on.
    pub(super) fn set_terms(&self, terms: Terms) {
        self.board.terms.store(terms.packed(), Ordering::Release);
    }

    /// Says that no call may pass, and whether all are refused until one is looked at.
    pub(super) fn clear_terms(&self, refusing: bool) {
        let terms = if refusing { REFUSING } else { CLOSED };
        self.board.terms.store(terms, Ordering::Release);
    }

    pub(super) fn set_slow_after(&self, slow_after: Duration) {
        self.board
            .slow_after
            .store(Timestamp::from(slow_after).as_nanos(), Ordering::Relaxed);
    }

    pub(super) fn set_look_at(&self, now: Timestamp, look_at: Timestamp) {
        self.board.looked_at.fetch_max(now.as_nanos(), Ordering::AcqRel);
        self.board.look_at.store(look_at.as_nanos(), Ordering::Release);
    }
}

/// As many as there are processors, but a power of 2, and no more than are worth their memory.
fn lanes_needed() -> usize {
    #[cfg(not(breaker_loom))]
    {
        use std::{num::NonZero, sync::OnceLock, thread::available_parallelism};

        static LANES: OnceLock<usize> = OnceLock::new();
        *LANES.get_or_init(|| {
            available_parallelism()
                .map_or(1, NonZero::get)
                .next_power_of_two()
                .min(16)
        })
    }
    #[cfg(breaker_loom)]
    2
}
