use std::{num::NonZeroU8, time::Duration};

use super::{
    lane::{Lane, RefusedCalls, Tag},
    slots::Slot,
};
use crate::{
    clock::Clock,
    machine::{Refusal, Refusing, Timestamp},
    sync::{AtomicU64, Ordering, thread_number},
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
    /// When refused callers are told to come back; [`Timestamp::END`] where nobody can tell.
    retry_at: AtomicU64,
}

/// No generation has these terms, or one in four million, which has to do without.
const CLOSED: u64 = 0;
/// A generation's number is further to the left.
const REFUSING: u64 = 1;

/// No clock says that a call started then.
const UNTIMED: Timestamp = Timestamp::END;

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
///
/// Of whole words: a processor that reads together what was written in parts waits for the parts. For the same reason what a healthy call runs
/// through is inlined where it is made, so that its permit is put where it stays.
#[derive(Debug)]
pub(super) struct Pass {
    /// What it passed by, packed.
    pub(super) terms: u64,
    pub(super) started: Timestamp,
    /// When it is slow; never, if it needn't end in time.
    pub(super) due: Timestamp,
}

/// Why a call may not pass, and what the clock said if it was asked.
pub(crate) type Stopped = Option<Timestamp>;

impl Pass {
    /// That of a call that isn't timed.
    #[inline]
    fn untimed(terms: u64) -> Self {
        Self {
            terms,
            started: UNTIMED,
            due: Timestamp::END,
        }
    }

    #[inline]
    fn tag(&self) -> Tag {
        Terms::tag(self.terms)
    }

    #[inline]
    pub(super) fn is_timed(&self) -> bool {
        self.started != UNTIMED
    }

    pub(super) fn is_of(&self, generation: u64) -> bool {
        self.tag().is_of(generation)
    }

    /// `None` where it doesn't matter how long it takes.
    pub(super) fn started(&self) -> Option<Timestamp> {
        self.is_timed().then_some(self.started)
    }

    pub(super) fn slow_after(&self) -> Option<Duration> {
        self.slot().map(|_| self.due.since(self.started))
    }

    /// Where it is noted, if it has to end in time.
    #[inline]
    pub(super) fn slot(&self) -> Option<Slot> {
        let ring = Terms::ring(self.terms).filter(|_| self.due != Timestamp::END)?;
        Some(Slot::due(self.due, ring.id, ring.shift))
    }
}

impl Terms {
    const SHIFT_BITS: u32 = 6;

    fn packed(self) -> u64 {
        let (id, shift) = self.ring.map_or((0, 0), |ring| (ring.id.get(), ring.shift));
        (self.tag.bits() << Self::SHIFT_BITS | u64::from(shift)) << u8::BITS | u64::from(id)
    }

    #[inline]
    fn tag(packed: u64) -> Tag {
        Tag::from_bits(packed >> (Self::SHIFT_BITS + u8::BITS))
    }

    #[inline]
    fn ring(packed: u64) -> Option<RingTerms> {
        NonZeroU8::new(packed as u8).map(|id| RingTerms {
            id,
            shift: (packed >> u8::BITS) as u8 & ((1 << Self::SHIFT_BITS) - 1),
        })
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

    /// Refuses a call, unless somebody has to look at it. What its caller is told.
    #[inline]
    pub(super) fn refuse(&self, lane: usize, diverts: bool, now: Timestamp) -> Option<Refusal> {
        let lane = self.each.get(lane)?;
        if self.board.terms.load(Ordering::Acquire) != REFUSING || self.wants_look(now) {
            return None;
        }
        // A thread that stands still just here, until the breaker has closed and opened again, counts in the wrong opening: one call too many there.
        lane.refuse(diverts);
        let retry_at = Timestamp::from_nanos(self.board.retry_at.load(Ordering::Relaxed));
        Some(Refusal {
            retry_after: (retry_at != Timestamp::END).then(|| retry_at.since(now)),
        })
    }

    /// Lets a call pass, unless somebody has to look at it.
    #[inline(always)]
    pub(super) fn start(&self, number: usize, clock: &dyn Clock) -> Result<Pass, Stopped> {
        let Some(lane) = self.each.get(number) else {
            return Err(None);
        };
        // No two threads that live at once have one number.
        let is_own = thread_number() == number;
        let terms = self.board.terms.load(Ordering::Acquire);
        let tag = Terms::tag(terms);
        if !lane.is_open_for(tag) {
            return Err(None);
        }
        if tag.is_timed() || lane.times() {
            return self.start_timed(lane, is_own, terms, clock);
        }
        lane.start(is_own);
        Ok(Pass::untimed(terms))
    }

    #[inline(never)]
    fn start_timed(&self, lane: &Lane, is_own: bool, terms: u64, clock: &dyn Clock) -> Result<Pass, Stopped> {
        let started = clock.now().into();
        if self.wants_look(started) || lane.stops() {
            return Err(Some(started));
        }
        let slow_after = Terms::ring(terms).map_or(u64::MAX, |_| self.board.slow_after.load(Ordering::Relaxed));
        let pass = Pass {
            terms,
            started,
            due: Timestamp::from_nanos(started.as_nanos().saturating_add(slow_after)),
        };
        // The slot may not be there any more.
        if pass.slot().is_some_and(|slot| !lane.slots.note(slot)) {
            return Err(Some(started));
        }
        lane.start(is_own);
        Ok(pass)
    }

    /// Counts a call that isn't timed, came back and is good, unless it has to be looked at.
    #[inline(always)]
    pub(super) fn finish_untimed(&self, lane: usize, pass: &Pass) -> bool {
        self.each[lane].count_good(pass.tag())
    }

    /// Counts a timed call that came back and is good, unless it has to be looked at: then, when that was.
    pub(super) fn finish_timed(&self, lane: usize, pass: &mut Pass, clock: &dyn Clock) -> Result<(), Timestamp> {
        let lane = &self.each[lane];
        let now = clock.now().into();
        if self.wants_look(now) || now > pass.due || pass.slot().is_some_and(|slot| !lane.slots.finish(slot)) {
            return Err(now);
        }
        pass.due = Timestamp::END;
        let latency = now.as_nanos().saturating_sub(pass.started.as_nanos());
        if lane.count_timed(pass.tag(), latency, now) {
            Ok(())
        } else {
            Err(now)
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

    /// Says that no call may pass, and that each has to be looked at.
    pub(super) fn clear_terms(&self) {
        if self.board.terms.load(Ordering::Relaxed) != CLOSED {
            self.board.terms.store(CLOSED, Ordering::Release);
        }
    }

    /// Says that no call may pass, and until when none need be looked at.
    pub(super) fn refuse_all(&self, refusing: Refusing, now: Timestamp) {
        let retry_at = refusing.retry_at.unwrap_or(Timestamp::END);
        // At the end of time that would be taken for nobody can tell.
        let is_sayable = refusing.retry_at != Some(Timestamp::END);
        let until = if is_sayable { refusing.until } else { Timestamp::START };
        let said = [&self.board.terms, &self.board.look_at, &self.board.retry_at];
        if said.map(|word| word.load(Ordering::Relaxed)) == [REFUSING, until.as_nanos(), retry_at.as_nanos()] {
            return;
        }
        self.set_look_at(now, until);
        self.board.retry_at.store(retry_at.as_nanos(), Ordering::Relaxed);
        self.board.terms.store(REFUSING, Ordering::Release);
    }

    /// Takes the calls that were refused here.
    pub(super) fn take_refused(&self) -> RefusedCalls {
        let mut all = RefusedCalls::default();
        for lane in self.each.iter().map(Lane::take_refused) {
            all.refused += lane.refused;
            all.diverted += lane.diverted;
        }
        all
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
