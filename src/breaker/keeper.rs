use std::{mem::replace, time::Duration};

use super::{
    inflight::{COARSEST, FINEST, Inflight},
    lane::{Lane, Tag},
    lanes::{Lanes, Passed, RefusedCalls, RingTerms, Terms},
    slots::{SLOTS, Slot},
};
use crate::{
    machine::{BatchWindow, RejectWindow, SuccessBatch, Timestamp},
    sync::thread_number,
};

/// Opens and closes the lanes, and knows what has passed there. Whoever has the lock has it.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Generations of those who had the lanes before.
    generations_before: u64,
    /// What had passed before.
    before: Passed,
    open: Option<BatchWindow>,
    ring: Option<Ring>,
    look_at: Timestamp,
    /// How many had passed when this was last told of.
    told: u64,
    /// How many had been refused.
    told_refused: RefusedCalls,
    /// For each lane, how many good calls of its own thread have been told of, since that adopted what it goes by.
    told_good: Box<[u64]>,
    /// With so many calls passed, the next one is stopped.
    stops_at: Option<u64>,
}

/// The slots that the lanes note calls in. They are those of a ring of [`Inflight`], which gets the counts when a slot's time is up.
#[derive(Clone, Copy, Debug)]
struct Ring {
    terms: RingTerms,
    /// The first slot that is still the lanes'.
    first: u64,
}

/// After so many slots at the latest there is a look, so that whatever may pass until then is due in one of the slots.
const SLOTS_TO_A_LOOK: u64 = SLOTS - FINEST - 2;
/// Slots for a shorter time limit would pass by faster than threads do.
const SHORTEST: Duration = Duration::from_millis(1);

/// Good calls that were counted when none could pass any more, or others: their threads stood still in between.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LateCalls {
    /// Those of generations that are over.
    pub(super) stale: u64,
    pub(super) current: u64,
    /// How many of them all were timed.
    pub(super) timed: u64,
}

impl Keeper {
    pub(super) fn new(lanes: &Lanes) -> Self {
        let before = lanes.passed();
        Self {
            generations_before: lanes.generations_before(),
            before,
            open: None,
            ring: None,
            look_at: Timestamp::START,
            told: before.started,
            told_refused: lanes.refused(),
            told_good: lanes.each().iter().map(|_| 0).collect(),
            stops_at: None,
        }
    }

    /// Leaves the lanes to others, after this generation.
    pub(super) fn leave(&self, lanes: &Lanes, generation: u64) {
        lanes.clear(self.generations_before + generation);
    }

    /// What has passed since the breaker was made.
    pub(super) fn passed(&self, lanes: &Lanes) -> Passed {
        lanes.passed() - self.before
    }

    /// What has been refused since this was last asked.
    pub(super) fn take_refused(&mut self, lanes: &Lanes) -> RefusedCalls {
        let refused = lanes.refused();
        refused - replace(&mut self.told_refused, refused)
    }

    /// What has passed since this was last asked. Calls that weren't timed came back before `now`, and nobody knows when.
    pub(super) fn take(&mut self, lanes: &Lanes, now: Timestamp) -> SuccessBatch {
        match self.open {
            Some(open) => {
                let good = self.take_own(lanes) + lanes.each().iter().map(Lane::take_good).sum::<u64>();
                self.tell(lanes, good, open, now)
            }
            None => SuccessBatch::default(),
        }
    }

    /// Of each lane, what its own thread has counted.
    fn take_own(&mut self, lanes: &Lanes) -> u64 {
        let open = self.goes_by();
        let each = lanes.each().iter().zip(&mut self.told_good);
        each.map(|(lane, told)| match lane.own_good() {
            (by, good) if Some(by) == open => good - replace(told, good),
            _ => 0,
        })
        .sum()
    }

    /// Of each lane, what its own thread has counted too late for [`take`](Self::take).
    pub(super) fn take_late(&mut self, lanes: &Lanes, generation: u64) -> LateCalls {
        let (open, before) = (self.goes_by(), self.generations_before);
        let mut late = LateCalls::default();
        for (lane, told) in lanes.each().iter().zip(&mut self.told_good) {
            let (by, good) = lane.own_good();
            let tag = Tag::of(by);
            let of = tag.generation(before, generation).filter(|_| Some(by) != open);
            let count = match of {
                None => continue,
                Some(of) if of == generation => &mut late.current,
                Some(_) => &mut late.stale,
            };
            let more = good - replace(told, good);
            *count += more;
            late.timed += if tag.is_timed() { more } else { 0 };
        }
        late
    }

    /// What a lane's own thread goes by if it has adopted what the lanes are open for.
    fn goes_by(&self) -> Option<u64> {
        self.open.map(|open| self.tag(open.generation, open.is_timed).open())
    }

    /// Has the thread that asks go by what the lanes are open for.
    pub(super) fn adopt(&mut self, lanes: &Lanes) {
        let number = thread_number();
        if let (Some(open), Some(lane)) = (self.open, lanes.each().get(number)) {
            let tag = self.tag(open.generation, open.is_timed);
            if !lane.goes_by(tag) {
                lane.adopt(tag);
                self.told_good[number] = 0;
            }
        }
    }

    /// Which of the breaker's generations a call is of that passed, as far as that can be told; `None` where it is of none.
    pub(super) fn generation_of(&self, tag: Tag, current: u64) -> Option<u64> {
        tag.generation(self.generations_before, current)
    }

    fn tag(&self, generation: u64, is_timed: bool) -> Tag {
        Tag::new(self.generations_before + generation, is_timed)
    }

    fn tell(&mut self, lanes: &Lanes, good: u64, open: BatchWindow, now: Timestamp) -> SuccessBatch {
        let started = lanes.started();
        let last_good = || lanes.each().iter().map(Lane::last_good).max();
        SuccessBatch {
            generation: open.generation,
            started: started - replace(&mut self.told, started),
            good,
            last: open.is_timed.then(last_good).flatten().unwrap_or(now),
            timed: open.is_timed,
        }
    }

    /// Gives the calls whose time was up before `now` to those in flight.
    pub(super) fn give_expired(&mut self, lanes: &Lanes, inflight: &mut Inflight, now: Timestamp) {
        let Some(ring) = &mut self.ring else {
            return;
        };
        // A call is overdue strictly after its slot's end.
        let first = now.as_nanos().div_ceil(1 << ring.terms.shift);
        for number in ring.first..first.min(ring.first + SLOTS) {
            let laps = (first - number).div_ceil(SLOTS);
            let heir = ring.slot(number + laps * SLOTS);
            let calls = lanes.each().iter().map(|lane| lane.slots.make_place_for(heir)).sum();
            inflight.take_over(ring.slot(number), ring.first, calls);
        }
        ring.first = ring.first.max(first);
    }

    /// Whether a call that passed came to its end before its time was up.
    pub(super) fn finish(&self, lane: &Lane, slot: Slot, inflight: &mut Inflight) -> bool {
        let is_here = |ring: Ring| ring.terms.id == slot.ring && ring.first <= slot.number;
        if self.ring.is_some_and(is_here) {
            lane.slots.finish(slot)
        } else {
            inflight.finish(slot)
        }
    }

    /// When the next calls in the lanes will be overdue, if they are still in flight then.
    pub(super) fn next_due(&self, lanes: &Lanes) -> Option<Timestamp> {
        let ring = self.ring?;
        let is_used = |number: &u64| lanes.each().iter().any(|lane| !lane.slots.is_empty(ring.slot(*number)));
        let number = (ring.first..ring.first + SLOTS).find(is_used)?;
        Some(ring.end_of(number))
    }

    /// Closes the lanes where it isn't calm any more, and returns what was counted as good until that very moment.
    pub(super) fn close_unless(
        &mut self,
        calm: Option<&BatchWindow>,
        lanes: &Lanes,
        inflight: &mut Inflight,
        now: Timestamp,
    ) -> Option<SuccessBatch> {
        let open = self.open?;
        let same = |calm: &BatchWindow| (calm.generation, calm.is_timed) == (open.generation, open.is_timed);
        if calm.is_some_and(same) {
            return None;
        }
        lanes.clear_terms();
        let good = self.take_own(lanes) + lanes.each().iter().map(Lane::close).sum::<u64>();
        self.open = None;
        self.retire_ring(lanes, inflight);
        Some(self.tell(lanes, good, open, now))
    }

    /// Where none may pass, says whether all calls are refused until one is looked at, or some of them.
    pub(super) fn refuse_if(
        &self,
        refusing: Option<RejectWindow>,
        shares: bool,
        generation: u64,
        lanes: &Lanes,
        now: Timestamp,
    ) {
        match refusing {
            _ if self.open.is_some() || lanes.each().is_empty() => {}
            Some(refusing) => lanes.refuse_all(self.tag(generation, false), refusing, now),
            None if shares => lanes.share(),
            None => lanes.clear_terms(),
        }
    }

    /// Opens the lanes, if they aren't open, and says what calls go by there. `next_evaluation` is when there may be something to decide otherwise.
    pub(super) fn open(
        &mut self,
        calm: BatchWindow,
        next_evaluation: Option<Timestamp>,
        lanes: &Lanes,
        inflight: &mut Inflight,
        now: Timestamp,
    ) {
        let was = self.open.replace(calm);
        if was.is_none_or(|was| was.slow_after != calm.slow_after) {
            self.set_terms(calm, lanes, inflight, now);
            self.look_at = Timestamp::START;
        }
        let looks = [next_evaluation, inflight.next_due(), Some(calm.until)];
        self.plan_look(looks.into_iter().flatten().min(), lanes, now);
        self.plan_stop(calm, lanes);
        if was.is_none() {
            for lane in lanes.each() {
                lane.open(self.tag(calm.generation, calm.is_timed));
            }
        }
    }

    fn set_terms(&mut self, calm: BatchWindow, lanes: &Lanes, inflight: &mut Inflight, now: Timestamp) {
        let fits =
            |ring: Ring, limit| (COARSEST..=FINEST).contains(&(Timestamp::from(limit).as_nanos() >> ring.terms.shift));
        match (self.ring, calm.slow_after) {
            (Some(ring), Some(slow_after)) if fits(ring, slow_after) => {}
            (_, slow_after) => {
                self.retire_ring(lanes, inflight);
                self.ring = slow_after.map(|limit| Ring::begin(inflight.ring_for_lanes(limit, now), lanes, now));
            }
        }
        if let Some(slow_after) = calm.slow_after {
            lanes.set_slow_after(slow_after);
        }
        lanes.set_terms(Terms {
            tag: self.tag(calm.generation, calm.is_timed),
            ring: self.ring.map(|ring| ring.terms),
        });
    }

    /// Gives all calls in the lanes to those in flight.
    fn retire_ring(&mut self, lanes: &Lanes, inflight: &mut Inflight) {
        let Some(ring) = self.ring.take() else {
            return;
        };
        for number in ring.first..ring.first + SLOTS {
            let slot = ring.slot(number);
            let calls = lanes.each().iter().map(|lane| lane.slots.retire(slot)).sum();
            inflight.take_over(slot, ring.first, calls);
        }
        inflight.take_back();
    }

    fn plan_look(&mut self, elsewhere: Option<Timestamp>, lanes: &Lanes, now: Timestamp) {
        let elsewhere = elsewhere.unwrap_or(Timestamp::END);
        let look_at = if now < self.look_at {
            // Whatever has passed since is due later.
            elsewhere.min(self.look_at)
        } else {
            let here = self.next_due(lanes).unwrap_or(Timestamp::END);
            elsewhere.min(here).min(self.next_needed_look(now))
        };
        if look_at != self.look_at {
            self.look_at = look_at;
            lanes.set_look_at(now, look_at);
        }
    }

    /// When the first call that passes from now on may be overdue; or earlier, lest one be due in no slot that there is.
    fn next_needed_look(&self, now: Timestamp) -> Timestamp {
        let (Some(ring), Some(limit)) = (self.ring, self.open.and_then(|open| open.slow_after)) else {
            return Timestamp::END;
        };
        let first_due = Slot::due(now + limit, ring.terms.id, ring.terms.shift);
        ring.end_of(first_due.number.min(ring.first + SLOTS_TO_A_LOOK))
    }

    fn plan_stop(&mut self, calm: BatchWindow, lanes: &Lanes) {
        let stops_at = calm.sample_after.map(|calls| self.told + u64::from(calls));
        if stops_at != self.stops_at {
            self.stops_at = stops_at;
            for lane in lanes.each() {
                lane.stop_after(calm.sample_after);
            }
        }
    }
}

impl Ring {
    fn begin(terms: RingTerms, lanes: &Lanes, now: Timestamp) -> Self {
        let ring = Self {
            terms,
            first: now.as_nanos().div_ceil(1 << terms.shift),
        };
        for number in ring.first..ring.first + SLOTS {
            for lane in lanes.each() {
                lane.slots.make_place_for(ring.slot(number));
            }
        }
        ring
    }

    fn slot(self, number: u64) -> Slot {
        Slot {
            ring: self.terms.id,
            number,
        }
    }

    /// From when on a slot's calls are overdue.
    fn end_of(self, number: u64) -> Timestamp {
        Timestamp::from_nanos(number.saturating_mul(1 << self.terms.shift).saturating_add(1))
    }
}

/// Whether the lanes can watch for calls that take so long.
pub(super) fn is_watchable(slow_after: Option<Duration>) -> bool {
    slow_after.is_none_or(|slow_after| slow_after >= SHORTEST)
}
