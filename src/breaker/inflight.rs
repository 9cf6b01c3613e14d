use std::{num::NonZeroU8, time::Duration};

use super::{lanes::RingTerms, slots::Slot};
use crate::machine::Timestamp;

/// The calls in flight, by the time at which they will be overdue: a ring of counts, so that finding overdue calls needs
/// no timer, and its cost and memory don't grow with the calls.
///
/// A due time is rounded up to a slot, 1/16 of the time limit at most and 1/64 at best. Time limits too far apart for one ring have one each, kept
/// until the last of its calls has ended.
#[derive(Debug, Default)]
pub(super) struct Inflight {
    rings: Vec<Ring>,
    last_id: u8,
    /// The ring whose slots the lanes note calls in.
    lent: Option<NonZeroU8>,
    is_small: bool,
}

/// Calls that have become overdue, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overdue {
    pub(super) calls: u32,
    pub(super) since: Timestamp,
}

impl Inflight {
    /// With `is_small`, one that keeps no memory while no call is in flight, and takes its time for that.
    pub(super) fn new(is_small: bool) -> Self {
        Self {
            is_small,
            ..Self::default()
        }
    }

    /// Notes a call that starts at `now` and is overdue after `due`.
    #[must_use = "a call that is never finished is overdue in the end"]
    pub(super) fn watch(&mut self, now: Timestamp, due: Timestamp) -> Slot {
        let limit = due.since(now);
        let index = match self.rings.iter().position(|ring| ring.fits(limit)) {
            Some(index) => index,
            None => self.begin_ring(limit, now, false),
        };
        self.rings[index].watch(now, due)
    }

    /// A ring whose slots the lanes note calls in, of this time limit, and nobody else. It is given the counts of slots whose time is up.
    pub(super) fn ring_for_lanes(&mut self, limit: Duration, now: Timestamp) -> RingTerms {
        let index = self.begin_ring(limit, now, true);
        let ring = &self.rings[index];
        self.lent = Some(ring.id);
        RingTerms {
            id: ring.id,
            shift: ring.shift,
        }
    }

    /// The lanes note no more calls.
    pub(super) fn take_back(&mut self) {
        self.lent = None;
    }

    /// Takes over calls that the lanes noted in this slot; `first` is the first slot that was theirs.
    pub(super) fn take_over(&mut self, slot: Slot, first: u64, calls: u32) {
        if let Some(ring) = self.rings.iter_mut().find(|ring| ring.id == slot.ring && calls > 0) {
            ring.add(slot.number, first, calls);
        }
    }

    /// When the next calls will be overdue, if they are still in flight then.
    #[inline]
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.rings.iter().filter_map(Ring::next_due).min()
    }

    /// A call is over; `false` where it has been overdue already.
    pub(super) fn finish(&mut self, slot: Slot) -> bool {
        let Some(index) = self.rings.iter().position(|ring| ring.id == slot.ring) else {
            return true; // It was forgotten: stale.
        };
        let on_time = self.rings[index].finish(slot.number);
        if (self.rings.len() > 1 || self.is_small) && !self.rings[index].is_used(self.lent) {
            self.rings.remove(index);
            if self.is_small {
                self.rings.shrink_to_fit();
            }
        }
        on_time
    }

    /// Takes out the next calls that are overdue at `now`: in the order in which they became so, whatever their ring.
    #[inline]
    pub(super) fn next_overdue(&mut self, now: Timestamp) -> Option<Overdue> {
        // Most often there are none, and that is seen at once.
        if self.rings.iter().any(|ring| ring.lags_behind(now)) {
            self.take_overdue(now)
        } else {
            None
        }
    }

    fn take_overdue(&mut self, now: Timestamp) -> Option<Overdue> {
        let overdue = self
            .rings
            .iter_mut()
            .filter_map(|ring| Some((ring.overdue_since(now)?, ring)));
        let (since, ring) = overdue.min_by_key(|(since, _)| *since)?;
        Some(Overdue {
            calls: ring.take_first(),
            since,
        })
    }

    /// Forgets all calls.
    pub(super) fn clear(&mut self) {
        self.rings.clear();
        self.lent = None;
    }

    fn begin_ring(&mut self, limit: Duration, now: Timestamp, for_lanes: bool) -> usize {
        self.rings.retain(|ring| ring.is_used(self.lent));
        let id = self.free_id();
        self.last_id = id.get();
        self.rings.push(Ring::new(id, limit, now, for_lanes));
        self.rings.len() - 1
    }

    fn free_id(&self) -> NonZeroU8 {
        // Of time limits so far apart that they need a ring each, there are a few dozen.
        (1..=u8::MAX)
            .filter_map(|step| NonZeroU8::new(self.last_id.wrapping_add(step)))
            .find(|id| self.rings.iter().all(|ring| ring.id != *id))
            .unwrap_or(NonZeroU8::MIN)
    }
}

const SLOTS: u64 = 256;
/// Into how many slots a time limit is divided at least, and at most, where the ring was made for one like it.
pub(super) const COARSEST: u64 = 16;
pub(super) const FINEST: u64 = 64;

/// Slot `n` holds the calls that are due after slot `n - 1` ends and not after `n` does; it lives in place `n % SLOTS`.
#[derive(Debug)]
struct Ring {
    id: NonZeroU8,
    /// A slot lasts 2^`shift` nanoseconds: to divide by that takes next to no time.
    shift: u8,
    /// The first slot whose calls haven't been taken out as overdue.
    first: u64,
    /// The calls in the slots.
    noted: u64,
    /// Those, and the calls that were taken out and haven't ended.
    unfinished: u64,
    /// Empty until there are any.
    calls: Vec<u32>,
    for_lanes: bool,
}

impl Ring {
    fn new(id: NonZeroU8, limit: Duration, now: Timestamp, for_lanes: bool) -> Self {
        let nanos = Timestamp::from(limit).as_nanos();
        let shift = (nanos / 32).max(1).ilog2() as u8;
        Self {
            id,
            shift,
            first: now.as_nanos() >> shift,
            noted: 0,
            unfinished: 0,
            calls: Vec::new(),
            for_lanes,
        }
    }

    fn is_empty(&self) -> bool {
        self.noted == 0
    }

    /// When a slot ends; a call in it is overdue strictly after that, as it is slow strictly above `slow_after`.
    fn end_of(&self, slot: u64) -> u64 {
        slot.saturating_mul(1 << self.shift)
    }

    /// Whether the slots are neither too fine nor too coarse for this limit. An empty ring is better made anew.
    fn fits(&self, limit: Duration) -> bool {
        let slots = Timestamp::from(limit).as_nanos() >> self.shift;
        let (coarsest, finest) = if self.is_empty() {
            (2 * COARSEST, FINEST)
        } else {
            (COARSEST, SLOTS - 2)
        };
        let fits = (coarsest..=finest).contains(&slots) || (self.shift == 0 && slots <= SLOTS - 2);
        fits && !self.for_lanes
    }

    fn next_due(&self) -> Option<Timestamp> {
        if self.is_empty() {
            return None;
        }
        let slot =
            (self.first..=self.first.saturating_add(SLOTS - 1)).find(|slot| self.calls[Self::place(*slot)] > 0)?;
        Some(Timestamp::from_nanos(self.end_of(slot).saturating_add(1)))
    }

    fn place(slot: u64) -> usize {
        (slot % SLOTS) as usize
    }

    /// Whether calls that haven't ended are noted in it, or the lanes still note some.
    fn is_used(&self, lent: Option<NonZeroU8>) -> bool {
        self.unfinished > 0 || lent == Some(self.id)
    }

    fn watch(&mut self, now: Timestamp, due: Timestamp) -> Slot {
        let slot = Slot::due(due, self.id, self.shift);
        Slot {
            number: self.add(slot.number, now.as_nanos() >> self.shift, 1),
            ..slot
        }
    }

    /// Notes calls in a slot, or the nearest there is; no slot before `first` is of interest any more. Which slot it was.
    fn add(&mut self, slot: u64, first: u64, calls: u32) -> u64 {
        if self.is_empty() {
            self.first = self.first.max(first);
        }
        let slot = slot.clamp(self.first, self.first.saturating_add(SLOTS - 1));
        self.calls.resize(SLOTS as usize, 0);
        self.calls[Self::place(slot)] += calls;
        self.noted += u64::from(calls);
        self.unfinished += u64::from(calls);
        slot
    }

    fn finish(&mut self, slot: u64) -> bool {
        self.unfinished -= 1;
        let on_time = slot >= self.first;
        if on_time {
            self.calls[Self::place(slot)] -= 1;
            self.noted -= 1;
        }
        on_time
    }

    /// Whether the first slot's time is up.
    fn lags_behind(&self, now: Timestamp) -> bool {
        !self.is_empty() && self.end_of(self.first) < now.as_nanos()
    }

    /// Since when its next calls are overdue, if they are at `now`.
    fn overdue_since(&mut self, now: Timestamp) -> Option<Timestamp> {
        while self.lags_behind(now) {
            if self.calls[Self::place(self.first)] > 0 {
                return Some(Timestamp::from_nanos(self.end_of(self.first.saturating_sub(1))));
            }
            self.first += 1;
        }
        None
    }

    /// Takes out the calls of the first slot.
    fn take_first(&mut self) -> u32 {
        let calls = std::mem::take(&mut self.calls[Self::place(self.first)]);
        self.noted -= u64::from(calls);
        self.first += 1;
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::START + Duration::from_millis(millis)
    }

    fn overdue(inflight: &mut Inflight, now: Timestamp) -> u32 {
        std::iter::from_fn(|| inflight.next_overdue(now))
            .map(|overdue| overdue.calls)
            .sum()
    }

    #[test]
    fn a_call_is_overdue_strictly_after_its_time_and_by_a_32nd_of_it_at_most() {
        let mut inflight = Inflight::default();
        let _watch = inflight.watch(at(0), at(320));
        assert_eq!(overdue(&mut inflight, at(320)), 0);
        assert_eq!(overdue(&mut inflight, at(331)), 1);
    }

    #[test]
    fn a_call_is_either_finished_on_time_or_overdue() {
        let mut inflight = Inflight::default();
        let calls: Vec<_> = (0..1000)
            .map(|start| inflight.watch(at(start), at(start + 300)))
            .collect();
        let mut on_time = 0;
        for watch in calls.iter().step_by(3) {
            on_time += u32::from(inflight.finish(*watch));
        }
        assert_eq!(on_time, 334);
        assert_eq!(overdue(&mut inflight, at(5000)), 1000 - 334);
        for (index, watch) in calls.iter().enumerate().filter(|(index, _)| index % 3 != 0) {
            assert!(!inflight.finish(*watch), "{index} was overdue");
        }
    }

    #[test]
    fn since_is_never_later_than_the_due_time() {
        let mut inflight = Inflight::default();
        for start in 0..50 {
            let _watch = inflight.watch(at(start * 7), at(start * 7 + 100));
        }
        let mut found = 0;
        while let Some(overdue) = inflight.next_overdue(at(10_000)) {
            found += overdue.calls;
            assert!(overdue.since <= at(49 * 7 + 100));
        }
        assert_eq!(found, 50);
    }

    #[test]
    fn another_time_limit_keeps_watching_the_calls_of_the_old_one() {
        let mut inflight = Inflight::default();
        let slow = inflight.watch(at(0), at(10_000));
        let fast = inflight.watch(at(0), at(10));
        assert_eq!(overdue(&mut inflight, at(11)), 1);
        assert!(!inflight.finish(fast));
        assert_eq!(overdue(&mut inflight, at(10_400)), 1);
        assert!(!inflight.finish(slow));
    }

    #[test]
    fn two_limits_by_turns_take_two_rings() {
        let mut inflight = Inflight::default();
        let mut watched = Vec::new();
        for start in 0..1000 {
            for limit in [1000, 20] {
                watched.push(inflight.watch(at(start), at(start + limit)));
            }
        }
        assert_eq!(inflight.rings.len(), 2);
        for watch in watched {
            inflight.finish(watch);
        }
        assert_eq!(inflight.rings.len(), 1);
    }

    #[test]
    fn a_limit_that_changes_from_call_to_call_takes_a_few_rings_and_no_call_is_early_or_lost() {
        let mut inflight = Inflight::default();
        let mut dues = Vec::new();
        let mut found = 0;
        for start in 0..20_000 {
            // Between 100 ms and 3.2 s, and back again, by a thousandth at each call.
            let wave = (start as f64 / 5000.0).fract().mul_add(2.0, -1.0).abs();
            let due = at(start) + Duration::from_millis(100).mul_f64(32_f64.powf(wave));
            let watch = inflight.watch(at(start), due);
            if start % 3 == 0 {
                assert!(inflight.finish(watch));
            } else {
                dues.push((due, due + due.since(at(start)) / 16));
            }
            found += overdue(&mut inflight, at(start));
            assert!(inflight.rings.len() <= 4, "{}", inflight.rings.len());
            if start % 100 == 0 {
                let count = |is_over: &dyn Fn(&(Timestamp, Timestamp)) -> bool| {
                    dues.iter().filter(|due| is_over(due)).count() as u32
                };
                let (surely, at_most) = (count(&|due| due.1 < at(start)), count(&|due| due.0 < at(start)));
                assert!(
                    (surely..=at_most).contains(&found),
                    "{found}, not {surely} to {at_most}"
                );
            }
        }
        found += overdue(&mut inflight, at(30_000));
        assert_eq!(found, dues.len() as u32);
    }

    #[test]
    fn the_next_due_time_is_when_the_next_calls_are_overdue() {
        let mut inflight = Inflight::default();
        assert_eq!(inflight.next_due(), None);
        let _late = inflight.watch(at(0), at(320));
        let early = inflight.watch(at(0), at(200));
        let next = inflight.next_due().unwrap();
        assert!(next > at(200) && next < at(212), "{next:?}");
        assert_eq!(overdue(&mut inflight, next), 1);
        assert!(!inflight.finish(early));
        assert!(inflight.next_due().unwrap() > at(320));
    }

    #[test]
    fn memory_does_not_grow_with_calls() {
        let mut inflight = Inflight::default();
        for start in 0..200_000 {
            let _watch = inflight.watch(at(start), at(start + 300));
            overdue(&mut inflight, at(start));
        }
        assert_eq!(
            inflight.rings.iter().map(|ring| ring.calls.len() as u64).sum::<u64>(),
            SLOTS
        );
    }
}
