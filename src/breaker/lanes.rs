use std::{
    num::NonZeroU8,
    ops::{DerefMut, Sub},
    sync::PoisonError,
    time::Duration,
};

use super::{
    Breaker, WeakBreaker,
    lane::{COUNT_BITS, Lane, Tag, is_open},
    slots::Slot,
};
use crate::{
    clock::Clock,
    machine::{RejectWindow, Timestamp},
    sync::{AtomicU64, Mutex, Ordering, thread_number, thread_number_if_known},
};

/// The way past the lock, for the calls of a healthy primary: open while the machine is [calm](crate::machine::Machine::batch_window).
///
/// What is written at every call is a lane's, which a thread seldom shares with another; what all read is written when something changes.
/// A call that finds anything out of the ordinary takes the lock instead: the lanes decide nothing.
#[derive(Debug)]
pub(super) struct Lanes {
    board: Board,
    tenant: Mutex<Tenant>,
}

/// What all go by.
#[derive(Debug)]
#[repr(align(128))]
struct Board {
    each: Vec<Lane>,
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

/// Whose lanes they are.
#[derive(Debug)]
struct Tenant {
    breaker: Option<WeakBreaker>,
    /// Generations of those who had the lanes before: no two have the same.
    generations_before: u64,
}

/// Terms by which none may pass, and each has to be looked at.
const CLOSED: u64 = 0;
/// Set in the terms by which all are refused.
const REFUSING: u64 = 1 << (COUNT_BITS - 1);
/// Terms by which some are let through, each of which has to be looked at.
const SHARING: u64 = 1 << (COUNT_BITS - 2);

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

/// Where a call goes that asks to pass the lock by.
pub(super) enum Way {
    /// Past it, by these terms.
    Passes(u64),
    /// Past it by these terms, maybe; but the clock has to be asked.
    Timed(u64),
    Stopped,
}

/// The right to make one call that is timed, which passed the lock by.
#[derive(Debug)]
pub(super) struct TimedPass {
    /// What it passed by, packed.
    terms: u64,
    started: Timestamp,
    /// When it is slow; never, if it needn't end in time.
    due: Timestamp,
}

/// A refusal past the lock.
pub(crate) struct LaneRefusal {
    /// By which terms, packed.
    pub(super) terms: u64,
    pub(super) now: Timestamp,
    /// When the caller is told to come back; [`Timestamp::END`] where nobody can tell.
    pub(super) retry_at: Timestamp,
    /// Whether the call goes to a backup.
    pub(super) diverts: bool,
    /// Whether that is one to time.
    pub(super) is_timed: bool,
}

/// A call may not pass. What the clock said, if it was asked.
pub(crate) type Stopped = Option<Timestamp>;

/// Calls that have passed, since the lanes were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) started: u64,
    /// Of good calls that needn't have been timed: how many were.
    pub(super) timed: u64,
    /// Nanoseconds, of all good calls that were timed.
    pub(super) latency: u64,
}

/// Calls that were refused, since the lanes were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RefusedCalls {
    pub(super) rejected: u64,
    pub(super) diverted: u64,
    /// Diverted calls that came back good, and weren't timed.
    pub(super) backed_up: u64,
}

impl Sub for Passed {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            started: self.started - before.started,
            timed: self.timed - before.timed,
            // A clock that jumped may have added more than fits.
            latency: self.latency.wrapping_sub(before.latency),
        }
    }
}

impl Sub for RefusedCalls {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            rejected: self.rejected - before.rejected,
            diverted: self.diverted - before.diverted,
            backed_up: self.backed_up - before.backed_up,
        }
    }
}

impl TimedPass {
    #[inline]
    pub(super) fn tag(&self) -> Tag {
        Tag::of(self.terms)
    }

    pub(super) fn started(&self) -> Timestamp {
        self.started
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
        self.tag.open() | u64::from(shift) << u8::BITS | u64::from(id)
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
        Self::with((0..lanes_needed()).map(|_| Lane::default()).collect())
    }

    pub(super) fn with(each: Vec<Lane>) -> Self {
        Self {
            board: Board {
                each,
                terms: AtomicU64::new(CLOSED),
                slow_after: AtomicU64::new(0),
                looked_at: AtomicU64::new(0),
                look_at: AtomicU64::new(0),
                retry_at: AtomicU64::new(0),
            },
            tenant: Mutex::new(Tenant {
                breaker: None,
                generations_before: 0,
            }),
        }
    }

    #[inline(always)]
    pub(super) fn each(&self) -> &[Lane] {
        &self.board.each
    }

    /// The lane for the thread that asks, and whether it has that to itself: no two threads that live at once have one number.
    #[inline(always)]
    fn here(&self) -> Option<(&Lane, bool)> {
        match self.own() {
            Some(lane) => Some((lane, true)),
            None => self.here_among_others(),
        }
    }

    #[inline(never)]
    fn here_among_others(&self) -> Option<(&Lane, bool)> {
        let number = thread_number();
        match self.each().get(number) {
            Some(lane) => Some((lane, true)),
            None => Some((self.each().get(shared(number, self.each().len()))?, false)),
        }
    }

    /// The lane that the thread which asks is known to have to itself.
    #[inline(always)]
    fn own(&self) -> Option<&Lane> {
        self.each().get(thread_number_if_known())
    }

    /// Whether all calls go to the primary, or not all do; `None` where it takes a closer look to tell.
    #[inline]
    pub(super) fn all_flow(&self) -> Option<bool> {
        match self.board.terms.load(Ordering::Acquire) {
            terms if is_open(terms) => Some(true),
            terms if terms & (REFUSING | SHARING) != 0 => Some(false),
            _ => None,
        }
    }

    /// Refuses a call, unless somebody has to look at it.
    #[inline(always)]
    pub(super) fn refuse(&self, diverts: bool, now: Timestamp) -> Option<LaneRefusal> {
        let terms = self.board.terms.load(Ordering::Acquire);
        if terms & REFUSING == 0 || self.wants_look(now) {
            return None;
        }
        let (lane, is_own) = self.here()?;
        // A thread that stands still just here, until the breaker has closed and opened again, counts in the wrong opening: one call too many there.
        let count = if diverts { &lane.diverted } else { &lane.rejected };
        count.add(1, is_own);
        Some(LaneRefusal {
            terms,
            now,
            diverts,
            retry_at: Timestamp::from_nanos(self.board.retry_at.load(Ordering::Relaxed)),
            is_timed: diverts && lane.times_backup(now),
        })
    }

    /// Counts a call that was refused by these terms and came back from the backup, good and not timed; unless others are in force.
    #[inline(always)]
    pub(super) fn back_up(&self, terms: u64) -> bool {
        if self.board.terms.load(Ordering::Acquire) != terms {
            return false;
        }
        let here = self.here();
        // A thread that stands still just here, until the breaker is gone, counts for the next one: one call in its totals.
        if let Some((lane, is_own)) = here {
            lane.backed_up.add(1, is_own);
        }
        here.is_some()
    }

    /// Lets a call pass, unless somebody has to look at it.
    #[inline(always)]
    pub(super) fn start(&self) -> Way {
        match self.own() {
            Some(lane) => self.start_at(lane, true),
            None => self.start_among_others(),
        }
    }

    #[inline(never)]
    fn start_among_others(&self) -> Way {
        match self.here() {
            Some((lane, is_own)) => self.start_at(lane, is_own),
            None => Way::Stopped,
        }
    }

    #[inline(always)]
    fn start_at(&self, lane: &Lane, is_own: bool) -> Way {
        let terms = self.board.terms.load(Ordering::Acquire);
        if !lane.lets_pass(terms, is_own) {
            return Way::Stopped;
        }
        if Tag::of(terms).is_timed() || lane.times() {
            return Way::Timed(terms);
        }
        lane.start(is_own);
        Way::Passes(terms)
    }

    /// As [`start`](Self::start), for a call that is timed: `lane` is where it is noted.
    #[inline(never)]
    pub(super) fn start_timed(&self, terms: u64, lane: usize, clock: &dyn Clock) -> Result<TimedPass, Stopped> {
        let started = clock.now().into();
        let Some((here, is_own)) = self.here().filter(|(here, _)| !here.stops()) else {
            return Err(Some(started));
        };
        if self.wants_look(started) {
            return Err(Some(started));
        }
        let slow_after = Terms::ring(terms).map_or(u64::MAX, |_| self.board.slow_after.load(Ordering::Relaxed));
        let pass = TimedPass {
            terms,
            started,
            due: Timestamp::from_nanos(started.as_nanos().saturating_add(slow_after)),
        };
        // The slot may not be there any more.
        if pass.slot().is_some_and(|slot| !self.each()[lane].slots.note(slot)) {
            return Err(Some(started));
        }
        here.start(is_own);
        Ok(pass)
    }

    /// Counts a call that isn't timed, passed by these terms, came back and is good, unless it has to be looked at.
    #[inline(always)]
    pub(super) fn finish(&self, terms: u64) -> bool {
        // A thread that stands still from here on counts late, and is told of late.
        if self.board.terms.load(Ordering::Acquire) != terms {
            return false;
        }
        match self.own() {
            Some(lane) => lane.count_good(terms, true),
            None => self.finish_among_others(terms),
        }
    }

    #[inline(never)]
    fn finish_among_others(&self, terms: u64) -> bool {
        self.here().is_some_and(|(lane, is_own)| lane.count_good(terms, is_own))
    }

    /// As [`finish`](Self::finish), for a timed call that was noted at this lane: where it has to be looked at, when it came back.
    #[inline(always)]
    pub(super) fn finish_timed(&self, lane: usize, pass: &mut TimedPass, clock: &dyn Clock) -> Result<(), Timestamp> {
        let now = clock.now().into();
        let slots = &self.each()[lane].slots;
        if self.wants_look(now) || now > pass.due || pass.slot().is_some_and(|slot| !slots.finish(slot)) {
            return Err(now);
        }
        pass.due = Timestamp::END;
        let latency = now.as_nanos().saturating_sub(pass.started.as_nanos());
        let is_in_force = self.board.terms.load(Ordering::Acquire) == pass.terms;
        match self.here().filter(|_| is_in_force) {
            Some((lane, is_own)) if lane.count_timed(pass.terms, is_own, latency, now) => Ok(()),
            _ => Err(now),
        }
    }

    #[inline(always)]
    fn wants_look(&self, now: Timestamp) -> bool {
        let now = now.as_nanos();
        now >= self.board.look_at.load(Ordering::Acquire) || now < self.board.looked_at.load(Ordering::Acquire)
    }

    /// Of [`passed`](Self::passed) this alone.
    pub(super) fn started(&self) -> u64 {
        self.each().iter().map(Lane::started).sum()
    }

    pub(super) fn passed(&self) -> Passed {
        self.each().iter().fold(Passed::default(), |all, lane| Passed {
            started: all.started + lane.started(),
            timed: all.timed + lane.timed(),
            latency: all.latency.wrapping_add(lane.latency()),
        })
    }

    pub(super) fn refused(&self) -> RefusedCalls {
        // The ends before the starts, or there may be more of them.
        let backed_up = self.each().iter().map(|lane| lane.backed_up.get()).sum();
        let none = RefusedCalls {
            backed_up,
            ..RefusedCalls::default()
        };
        self.each().iter().fold(none, |all, lane| RefusedCalls {
            rejected: all.rejected + lane.rejected.get(),
            diverted: all.diverted + lane.diverted.get(),
            ..all
        })
    }

    /// Says what calls go by from now on.
    pub(super) fn set_terms(&self, terms: Terms) {
        self.board.terms.store(terms.packed(), Ordering::Release);
    }

    /// Says that no call may pass, and that each has to be looked at.
    pub(super) fn clear_terms(&self) {
        self.close_as(CLOSED);
    }

    /// As [`clear_terms`](Self::clear_terms), where some are refused.
    pub(super) fn share(&self) {
        self.close_as(SHARING);
    }

    fn close_as(&self, terms: u64) {
        if self.board.terms.load(Ordering::Relaxed) != terms {
            self.board.terms.store(terms, Ordering::Release);
        }
    }

    /// Says that no call may pass, and until when none need be looked at.
    pub(super) fn refuse_all(&self, tag: Tag, refusing: RejectWindow, now: Timestamp) {
        let terms = tag.closed() | REFUSING;
        let retry_at = refusing.retry_at.unwrap_or(Timestamp::END);
        // At the end of time that would be taken for nobody can tell.
        let is_sayable = refusing.retry_at != Some(Timestamp::END);
        let until = if is_sayable { refusing.until } else { Timestamp::START };
        let said = [&self.board.terms, &self.board.look_at, &self.board.retry_at];
        if said.map(|word| word.load(Ordering::Relaxed)) == [terms, until.as_nanos(), retry_at.as_nanos()] {
            return;
        }
        self.set_look_at(now, until);
        self.board.retry_at.store(retry_at.as_nanos(), Ordering::Relaxed);
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

    /// The breaker whose call has this tag, if the lanes are its, and somebody still holds it.
    pub(super) fn breaker(&self, tag: Tag) -> Option<Breaker> {
        let tenant = self.tenant();
        let is_its = tag.is_after(tenant.generations_before);
        tenant.breaker.as_ref().filter(|_| is_its)?.upgrade()
    }

    /// From here on they are this breaker's.
    pub(super) fn belong_to(&self, breaker: WeakBreaker) {
        if !self.each().is_empty() {
            self.tenant().breaker = Some(breaker);
        }
    }

    /// How many generations had the lanes before.
    pub(super) fn generations_before(&self) -> u64 {
        match self.each() {
            [] => 0,
            _ => self.tenant().generations_before,
        }
    }

    /// Nobody's any more, after so many generations: as new, but for what only grows, and for what a late call may still count.
    pub(super) fn clear(&self, generations: u64) {
        let Board {
            each,
            terms,
            slow_after,
            looked_at,
            look_at,
            retry_at,
        } = &self.board;
        terms.store(CLOSED, Ordering::Release);
        for word in [slow_after, looked_at, look_at, retry_at] {
            word.store(0, Ordering::Release);
        }
        each.iter().for_each(Lane::clear);
        *self.tenant() = Tenant {
            breaker: None,
            generations_before: generations,
        };
    }

    fn tenant(&self) -> impl DerefMut<Target = Tenant> {
        self.tenant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which one of so many, a power of 2, is for threads of this number where there are more threads.
pub(super) fn shared(number: usize, count: usize) -> usize {
    number & count.wrapping_sub(1)
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

#[cfg(all(test, not(breaker_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_next_breaker_may_have_a_clock_that_is_behind() {
        let lanes = Lanes::new();
        lanes.set_look_at(Timestamp::from_nanos(1000), Timestamp::from_nanos(2000));
        assert!(lanes.wants_look(Timestamp::START));
        lanes.clear(1);
        lanes.set_look_at(Timestamp::START, Timestamp::END);
        assert!(!lanes.wants_look(Timestamp::START));
    }
}
