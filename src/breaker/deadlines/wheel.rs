//! A timing wheel of counts: it finds calls that are overdue without a timer, and without a list of
//! them.
//!
//! Time is cut into buckets of 2^`shift` nanoseconds. A call counts in the bucket in which it is
//! due, and leaves it when it ends. The calls in a bucket whose time is up are overdue. Neither the
//! cost nor the memory grows with the calls in flight.
//!
//! A due time is rounded up to the end of its bucket: by 1/16 of the time limit at most, and by
//! 1/64 at best. Time limits that are too far apart for one ring of buckets have a ring each.
//! Nothing here is shared: the owner of a wheel locks it.

use std::time::Duration;

use crate::machine::Timestamp;

/// A timing wheel: the calls in flight, counted by when they are overdue.
#[derive(Debug, Default)]
pub(crate) struct DeadlineWheel {
    /// No two have the same `shift`.
    rings: Vec<Ring>,
    is_small: bool,
}

/// A bucket of time in which calls are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// It lasts 2^`shift` nanoseconds.
    pub(crate) shift: u8,
    number: u64,
}

/// Calls that have become overdue, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    pub(crate) calls: u32,
    pub(crate) since: Timestamp,
}

/// How many buckets a ring has.
const BUCKETS: u64 = 256;
/// Into how many buckets a time limit is divided at least, and at most, where the ring was made for
/// one like it.
const COARSEST: u64 = 16;
const FINEST: u64 = 64;

impl Bucket {
    /// Returns the bucket in which a call is due, of those that last 2^`shift` nanoseconds.
    #[inline]
    pub(crate) fn due(due: Timestamp, shift: u8) -> Self {
        let due = due.as_nanos();
        let full = due >> shift;
        Self {
            shift,
            number: full + u64::from(full << shift != due),
        }
    }

    /// Returns the `shift` of the buckets that suit a time limit: 32 to 63 of them make up the
    /// limit.
    pub(crate) fn shift_for(limit: Duration) -> u8 {
        (Timestamp::from(limit).as_nanos() / 32).max(1).ilog2() as u8
    }

    /// Returns whether buckets of this `shift` are neither too fine nor too coarse for a time
    /// limit.
    pub(crate) fn suits(shift: u8, limit: Duration) -> bool {
        (COARSEST..=FINEST).contains(&(Timestamp::from(limit).as_nanos() >> shift))
    }
}

impl DeadlineWheel {
    /// With `is_small`, makes a wheel that keeps no memory while no call is in flight, and takes
    /// its time for that.
    pub(crate) fn new(is_small: bool) -> Self {
        Self {
            is_small,
            ..Self::default()
        }
    }

    /// Adds a call that starts at `now` and is overdue after `due`, to buckets that suit its time
    /// limit.
    #[must_use = "a call that is never finished is overdue in the end"]
    pub(crate) fn watch(&mut self, now: Timestamp, due: Timestamp) -> Bucket {
        let limit = due.since(now);
        let ring = match self.rings.iter().position(|ring| ring.fits(limit)) {
            Some(index) => &mut self.rings[index],
            None => self.begin_ring(Bucket::shift_for(limit), now),
        };
        ring.watch(now, due)
    }

    /// Adds a call that starts at `now` to exactly this bucket; returns `false` where the ring has
    /// no place for it.
    #[inline]
    #[must_use = "a call that isn't watched is never overdue"]
    pub(crate) fn watch_in(&mut self, bucket: Bucket, now: Timestamp) -> bool {
        let ring = match self.rings.iter().position(|ring| ring.shift == bucket.shift) {
            Some(index) => &mut self.rings[index],
            None => self.begin_ring(bucket.shift, now),
        };
        ring.watch_in(bucket.number, now)
    }

    /// Returns when the next calls will be overdue, if they are still in flight then.
    #[inline]
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.rings.iter().filter_map(Ring::next_due).min()
    }

    /// Takes a call out that has ended; returns `false` where it was overdue before.
    #[inline]
    pub(crate) fn finish(&mut self, bucket: Bucket) -> bool {
        let Some(index) = self.rings.iter().position(|ring| ring.shift == bucket.shift) else {
            return true; // It was forgotten: stale.
        };
        let on_time = self.rings[index].finish(bucket.number);
        // The newest ring stays, for the next call of its time limit.
        let is_newest = index + 1 == self.rings.len();
        if (!is_newest || self.is_small) && self.rings[index].unfinished == 0 {
            self.end_ring(index);
        }
        on_time
    }

    /// Returns since when the next calls are overdue, if they are at `now`.
    #[inline]
    pub(crate) fn overdue_since(&mut self, now: Timestamp) -> Option<Timestamp> {
        // Most often there are none, and that is seen at once.
        if self.rings.iter().any(|ring| ring.lags_behind(now)) {
            self.rings.iter_mut().filter_map(|ring| ring.overdue_since(now)).min()
        } else {
            None
        }
    }

    /// Takes out the next calls that are overdue at `now`, in the order in which they became so,
    /// whatever their ring.
    pub(crate) fn next_overdue(&mut self, now: Timestamp) -> Option<Overdue> {
        let since = self.overdue_since(now)?;
        let mut rings = self.rings.iter_mut();
        let calls = rings.find_map(|ring| (ring.overdue_since(now) == Some(since)).then(|| ring.take_first()))?;
        Some(Overdue { calls, since })
    }

    /// Forgets all calls.
    pub(crate) fn clear(&mut self) {
        self.rings.clear();
    }

    #[cold]
    fn end_ring(&mut self, index: usize) {
        self.rings.remove(index);
        if self.is_small {
            self.rings.shrink_to_fit();
        }
    }

    #[cold]
    fn begin_ring(&mut self, shift: u8, now: Timestamp) -> &mut Ring {
        self.rings.retain(|ring| ring.unfinished > 0);
        let index = self.rings.len();
        self.rings.push(Ring::new(shift, now));
        &mut self.rings[index]
    }
}

/// A ring of buckets: bucket `n` holds the calls that are due after `n - 1` ends and not after `n`
/// does, in place `n % BUCKETS`.
#[derive(Debug)]
struct Ring {
    /// A bucket lasts 2^`shift` nanoseconds: dividing by that takes next to no time.
    shift: u8,
    /// The first bucket whose calls haven't been taken out as overdue.
    first: u64,
    /// The calls in the buckets.
    noted: u64,
    /// Those, and the calls that were taken out as overdue and haven't ended.
    unfinished: u64,
    calls: Box<[u32; BUCKETS as usize]>,
}

impl Ring {
    fn new(shift: u8, now: Timestamp) -> Self {
        Self {
            shift,
            first: now.as_nanos() >> shift,
            noted: 0,
            unfinished: 0,
            calls: Box::new([0; BUCKETS as usize]),
        }
    }

    fn is_empty(&self) -> bool {
        self.noted == 0
    }

    /// Returns when a bucket ends; a call in it is overdue strictly after that, as it is slow
    /// strictly above `slow_after`.
    fn end_of(&self, bucket: u64) -> u64 {
        bucket.saturating_mul(1 << self.shift)
    }

    /// Returns whether the buckets are neither too fine nor too coarse for this limit. An empty
    /// ring is better made anew.
    fn fits(&self, limit: Duration) -> bool {
        let buckets = Timestamp::from(limit).as_nanos() >> self.shift;
        let (coarsest, finest) = if self.is_empty() {
            (2 * COARSEST, FINEST)
        } else {
            (COARSEST, BUCKETS - 2)
        };
        (coarsest..=finest).contains(&buckets) || (self.shift == 0 && buckets <= BUCKETS - 2)
    }

    fn next_due(&self) -> Option<Timestamp> {
        if self.is_empty() {
            return None;
        }
        let bucket = (self.first..=self.last()).find(|bucket| self.calls[Self::place(*bucket)] > 0)?;
        Some(Timestamp::from_nanos(self.end_of(bucket).saturating_add(1)))
    }

    /// Returns the last bucket that there is a place for.
    fn last(&self) -> u64 {
        self.first.saturating_add(BUCKETS - 1)
    }

    fn place(bucket: u64) -> usize {
        (bucket % BUCKETS) as usize
    }

    /// Adds a call to its bucket, or to the nearest that there is.
    fn watch(&mut self, now: Timestamp, due: Timestamp) -> Bucket {
        self.catch_up(now);
        let bucket = Bucket::due(due, self.shift);
        let number = bucket.number.clamp(self.first, self.last());
        self.add(number);
        Bucket { number, ..bucket }
    }

    #[inline]
    fn watch_in(&mut self, bucket: u64, now: Timestamp) -> bool {
        self.catch_up(now);
        let has_place = bucket.wrapping_sub(self.first) < BUCKETS || self.make_place_for(bucket, now);
        if has_place {
            self.add(bucket);
        }
        has_place
    }

    /// Gives up the places of buckets that are empty and over; returns whether that was enough for
    /// a later one.
    #[cold]
    fn make_place_for(&mut self, bucket: u64, now: Timestamp) -> bool {
        while self.first < now.as_nanos() >> self.shift && self.calls[Self::place(self.first)] == 0 {
            self.first += 1;
        }
        (self.first..=self.last()).contains(&bucket)
    }

    /// While there are no calls, nothing before `now` is of interest any more.
    #[inline]
    fn catch_up(&mut self, now: Timestamp) {
        if self.is_empty() {
            self.first = self.first.max(now.as_nanos() >> self.shift);
        }
    }

    #[inline]
    fn add(&mut self, bucket: u64) {
        self.calls[Self::place(bucket)] += 1;
        self.noted += 1;
        self.unfinished += 1;
    }

    #[inline]
    fn finish(&mut self, bucket: u64) -> bool {
        self.unfinished -= 1;
        let on_time = bucket >= self.first;
        if on_time {
            self.calls[Self::place(bucket)] -= 1;
            self.noted -= 1;
        }
        on_time
    }

    /// Returns whether the first bucket's time is up.
    fn lags_behind(&self, now: Timestamp) -> bool {
        !self.is_empty() && self.end_of(self.first) < now.as_nanos()
    }

    /// Returns since when its next calls are overdue, if they are at `now`.
    fn overdue_since(&mut self, now: Timestamp) -> Option<Timestamp> {
        while self.lags_behind(now) {
            if self.calls[Self::place(self.first)] > 0 {
                return Some(Timestamp::from_nanos(self.end_of(self.first.saturating_sub(1))));
            }
            self.first += 1;
        }
        None
    }

    /// Takes out the calls of the first bucket.
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

    fn overdue(wheel: &mut DeadlineWheel, now: Timestamp) -> u32 {
        std::iter::from_fn(|| wheel.next_overdue(now))
            .map(|overdue| overdue.calls)
            .sum()
    }

    #[test]
    fn a_call_is_overdue_strictly_after_its_time_and_by_a_32nd_of_it_at_most() {
        let mut wheel = DeadlineWheel::default();
        let _watch = wheel.watch(at(0), at(320));
        assert_eq!(overdue(&mut wheel, at(320)), 0);
        assert_eq!(overdue(&mut wheel, at(331)), 1);
    }

    #[test]
    fn a_call_is_either_finished_on_time_or_overdue() {
        let mut wheel = DeadlineWheel::default();
        let calls: Vec<_> = (0..1000).map(|start| wheel.watch(at(start), at(start + 300))).collect();
        let mut on_time = 0;
        for watch in calls.iter().step_by(3) {
            on_time += u32::from(wheel.finish(*watch));
        }
        assert_eq!(on_time, 334);
        assert_eq!(overdue(&mut wheel, at(5000)), 1000 - 334);
        for (index, watch) in calls.iter().enumerate().filter(|(index, _)| index % 3 != 0) {
            assert!(!wheel.finish(*watch), "{index} was overdue");
        }
    }

    #[test]
    fn since_is_never_later_than_the_due_time() {
        let mut wheel = DeadlineWheel::default();
        for start in 0..50 {
            let _watch = wheel.watch(at(start * 7), at(start * 7 + 100));
        }
        let mut found = 0;
        while let Some(overdue) = wheel.next_overdue(at(10_000)) {
            found += overdue.calls;
            assert!(overdue.since <= at(49 * 7 + 100));
        }
        assert_eq!(found, 50);
    }

    #[test]
    fn another_time_limit_keeps_watching_the_calls_of_the_old_one() {
        let mut wheel = DeadlineWheel::default();
        let slow = wheel.watch(at(0), at(10_000));
        let fast = wheel.watch(at(0), at(10));
        assert_eq!(overdue(&mut wheel, at(11)), 1);
        assert!(!wheel.finish(fast));
        assert_eq!(overdue(&mut wheel, at(10_400)), 1);
        assert!(!wheel.finish(slow));
    }

    #[test]
    fn two_limits_by_turns_take_two_rings() {
        let mut wheel = DeadlineWheel::default();
        let mut watched = Vec::new();
        for start in 0..1000 {
            for limit in [1000, 20] {
                watched.push(wheel.watch(at(start), at(start + limit)));
            }
        }
        assert_eq!(wheel.rings.len(), 2);
        for watch in watched {
            wheel.finish(watch);
        }
        assert_eq!(wheel.rings.len(), 1);
    }

    #[test]
    fn a_limit_that_changes_from_call_to_call_takes_a_few_rings_and_no_call_is_early_or_lost() {
        let mut wheel = DeadlineWheel::default();
        let mut dues = Vec::new();
        let mut found = 0;
        for start in 0..20_000 {
            // Between 100 ms and 3.2 s, and back again, by a thousandth at each call.
            let wave = (start as f64 / 5000.0).fract().mul_add(2.0, -1.0).abs();
            let due = at(start) + Duration::from_millis(100).mul_f64(32_f64.powf(wave));
            let watch = wheel.watch(at(start), due);
            if start % 3 == 0 {
                assert!(wheel.finish(watch));
            } else {
                dues.push((due, due + due.since(at(start)) / 16));
            }
            found += overdue(&mut wheel, at(start));
            assert!(wheel.rings.len() <= 4, "{}", wheel.rings.len());
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
        found += overdue(&mut wheel, at(30_000));
        assert_eq!(found, dues.len() as u32);
    }

    #[test]
    fn the_next_due_time_is_when_the_next_calls_are_overdue() {
        let mut wheel = DeadlineWheel::default();
        assert_eq!(wheel.next_due(), None);
        let _late = wheel.watch(at(0), at(320));
        let early = wheel.watch(at(0), at(200));
        let next = wheel.next_due().unwrap();
        assert!(next > at(200) && next < at(212), "{next:?}");
        assert_eq!(overdue(&mut wheel, next), 1);
        assert!(!wheel.finish(early));
        assert!(wheel.next_due().unwrap() > at(320));
    }

    #[test]
    fn memory_does_not_grow_with_calls() {
        let mut wheel = DeadlineWheel::default();
        for start in 0..200_000 {
            let _watch = wheel.watch(at(start), at(start + 300));
            overdue(&mut wheel, at(start));
        }
        assert_eq!(
            wheel.rings.iter().map(|ring| ring.calls.len() as u64).sum::<u64>(),
            BUCKETS
        );
    }

    #[test]
    fn a_ring_that_is_never_empty_makes_place_for_later_calls() {
        let limit = Duration::from_millis(320);
        let shift = Bucket::shift_for(limit);
        let mut wheel = DeadlineWheel::default();
        let bucket = |start| Bucket::due(at(start) + limit, shift);
        assert!(wheel.watch_in(bucket(0), at(0)));
        for start in (100..100_000).step_by(100) {
            // The next call starts before the last one ends, and nothing asks for overdue calls.
            assert!(wheel.watch_in(bucket(start), at(start)), "{start}");
            assert!(wheel.finish(bucket(start - 100)));
        }
        // One that hangs is in the way in the end.
        assert!(!wheel.watch_in(bucket(110_000), at(110_000)));
        assert_eq!(overdue(&mut wheel, at(110_000)), 1);
        assert!(wheel.watch_in(bucket(110_000), at(110_000)));
    }

    #[test]
    fn a_call_of_an_old_time_limit_that_hangs_makes_no_later_call_allocate() {
        let mut wheel = DeadlineWheel::default();
        let hangs = Bucket::due(at(10_000), Bucket::shift_for(Duration::from_secs(10)));
        assert!(wheel.watch_in(hangs, at(0)));
        let shift = Bucket::shift_for(Duration::from_millis(100));
        let mut made = 0;
        for start in 0..1000 {
            let before = wheel.rings.len();
            let bucket = Bucket::due(at(start + 100), shift);
            assert!(wheel.watch_in(bucket, at(start)));
            made += wheel.rings.len() - before;
            assert!(wheel.finish(bucket));
        }
        assert_eq!(made, 1);
    }
}
