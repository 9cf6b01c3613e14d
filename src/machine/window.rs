use std::{borrow::Cow, collections::VecDeque, time::Duration};

use super::{Assessment, Timestamp, evidence::BucketView, invalid::ConfigError};

/// Which calls a rate is taken over: the last N calls, or those of the last T.
///
/// A window slides: what leaves it no longer counts, whatever its number. Memory doesn't grow with traffic: about ten bytes a
/// call for [`last_calls`](Self::last_calls), [`SlidingWindow::SLICES`] sums for [`last`](Self::last).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlidingWindow {
    /// The last N calls: 1 to [`SlidingWindow::MAX_CALLS`].
    Calls(usize),
    /// The calls of the last T, to a [`SlidingWindow::SLICES`]th of it: 1 ms to 365 days.
    Time(Duration),
}

impl SlidingWindow {
    /// The largest window of calls.
    pub const MAX_CALLS: usize = 1_000_000;
    /// Into how many slices a window of time is divided.
    pub const SLICES: usize = 20;

    /// The last `calls` calls.
    #[must_use]
    pub const fn last_calls(calls: usize) -> Self {
        Self::Calls(calls)
    }

    /// The calls of the last `duration`.
    #[must_use]
    pub const fn last(duration: Duration) -> Self {
        Self::Time(duration)
    }

    pub(super) fn check(self, field: impl Into<Cow<'static, str>>) -> Result<(), ConfigError> {
        match self {
            Self::Calls(1..=Self::MAX_CALLS) => Ok(()),
            Self::Calls(calls) => Err(ConfigError::new(field, calls, "1 to 1000000 calls")),
            Self::Time(time) if time < Duration::from_millis(1) => {
                Err(ConfigError::new(field, format!("{time:?}"), "1 ms to 365 days"))
            }
            Self::Time(time) => ConfigError::check_duration(field, time),
        }
    }
}

/// What a [`TripPolicy`](super::TripPolicy) is asked about: the calls in its window, and the failure bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls judged: in the policy's window, or since the breaker closed where it has none.
    pub calls: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that took longer than `slow_after`, are still in flight past it, or were given up when they had taken longer than most. A slow
    /// failure counts in both.
    pub slow: u64,
    /// Those that were bad: failed, slow, or both.
    pub bad: u64,
    /// How many calls have been bad in a row, up to now.
    pub bad_in_a_row: u64,
    /// The failure bucket, for [`Evidence`](super::Evidence).
    pub bucket: Option<BucketView>,
}

impl Counts {
    /// Failed calls ÷ calls; `None` where there are none.
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        self.rate(self.failed)
    }

    /// Slow calls ÷ calls; `None` where there are none.
    #[must_use]
    pub fn slow_call_rate(&self) -> Option<f64> {
        self.rate(self.slow)
    }

    fn rate(&self, part: u64) -> Option<f64> {
        (self.calls > 0).then(|| part as f64 / self.calls as f64)
    }
}

/// How many calls, and of which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
    pub(super) bad: u64,
}

impl Sums {
    /// One of the calls that were slow, and hadn't failed as far as was known, has. `false` where there is none.
    pub(super) fn overdue_failed(&mut self) -> bool {
        let any = self.bad > self.failed;
        self.failed += u64::from(any);
        any
    }

    pub(super) fn add(&mut self, assessment: Assessment) {
        self.calls += 1;
        self.failed += u64::from(assessment.failed);
        self.slow += u64::from(assessment.slow);
        self.bad += u64::from(assessment.is_bad());
    }

    fn remove(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failed -= other.failed;
        self.slow -= other.slow;
        self.bad -= other.bad;
    }
}

impl From<Sums> for Counts {
    fn from(sums: Sums) -> Self {
        Self {
            calls: sums.calls,
            failed: sums.failed,
            slow: sums.slow,
            bad: sums.bad,
            ..Self::default()
        }
    }
}

/// The memory behind a [`SlidingWindow`]. Recording is O(1); a gap of any length costs at most one pass over the slices.
#[derive(Clone, Debug)]
pub(super) enum Window {
    Calls(CallWindow),
    Time(TimeWindow),
}

impl Window {
    pub(super) fn new(window: SlidingWindow, now: Timestamp) -> Self {
        match window {
            SlidingWindow::Calls(capacity) => Self::Calls(CallWindow::new(capacity)),
            SlidingWindow::Time(duration) => Self::Time(TimeWindow::new(duration, now)),
        }
    }

    pub(super) fn record(&mut self, assessment: Assessment, now: Timestamp) {
        match self {
            Self::Calls(window) => window.record(assessment),
            Self::Time(window) => window.record(assessment, now),
        }
    }

    /// Takes good calls, the last of which came back at `last`; a window of time takes them all for that late.
    pub(super) fn good_calls(&mut self, calls: u64, last: Timestamp) {
        match self {
            Self::Calls(window) => window.good_calls(calls),
            Self::Time(window) => window.good_calls(calls, last),
        }
    }

    /// Until when a window of time adds calls to the same slice as at `now`.
    pub(super) fn slice_ends(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Calls(_) => None,
            Self::Time(window) => Some(window.slice_ends(now)),
        }
    }

    /// A call that was recorded as slow has failed as well. Which one it was doesn't matter to a sum: the oldest that there is.
    pub(super) fn overdue_failed(&mut self, now: Timestamp) {
        match self {
            Self::Calls(window) => window.overdue_failed(),
            Self::Time(window) => window.overdue_failed(now),
        }
    }

    pub(super) fn sums(&self, now: Timestamp) -> Sums {
        match self {
            Self::Calls(window) => window.sums,
            Self::Time(window) => window.sums_at(now),
        }
    }

    /// The window of another size, with as much of this one's content as fits; empty where the two kinds differ.
    pub(super) fn resized(self, to: SlidingWindow, now: Timestamp) -> Self {
        match (self, to) {
            (Self::Calls(old), SlidingWindow::Calls(capacity)) => {
                let mut new = CallWindow::new(capacity);
                for assessment in old.calls {
                    new.record(assessment);
                }
                Self::Calls(new)
            }
            (Self::Time(old), SlidingWindow::Time(duration)) => Self::Time(old.resized(duration, now)),
            (_, to) => Self::new(to, now),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct CallWindow {
    capacity: usize,
    calls: VecDeque<Assessment>,
    sums: Sums,
    /// How many calls have left the window.
    left: u64,
    /// The calls that were only slow, by their number since the window was made; those that have left it may be among them.
    only_slow: VecDeque<u64>,
}

impl CallWindow {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            calls: VecDeque::with_capacity(capacity),
            sums: Sums::default(),
            left: 0,
            only_slow: VecDeque::new(),
        }
    }

    fn record(&mut self, assessment: Assessment) {
        if self.calls.len() == self.capacity {
            if let Some(oldest) = self.calls.pop_front() {
                let mut left = Sums::default();
                left.add(oldest);
                self.sums.remove(left);
                self.left += 1;
                if self.only_slow.front().is_some_and(|number| *number < self.left) {
                    self.only_slow.pop_front();
                }
            }
        }
        if assessment.slow && !assessment.failed {
            self.only_slow.push_back(self.left + self.calls.len() as u64);
        }
        self.calls.push_back(assessment);
        self.sums.add(assessment);
    }

    fn good_calls(&mut self, calls: u64) {
        let calls = usize::try_from(calls).unwrap_or(usize::MAX);
        if self.sums.bad > 0 {
            // Among the last ones as many as make up the window, what came before is of no interest.
            for _ in 0..calls.min(self.capacity) {
                self.record(Assessment::default());
            }
            return;
        }
        let added = calls.min(self.capacity - self.calls.len());
        self.calls.extend(std::iter::repeat_n(Assessment::default(), added));
        self.sums.calls += added as u64;
    }

    fn overdue_failed(&mut self) {
        if let Some(number) = self.only_slow.pop_front() {
            self.calls[(number - self.left) as usize].failed = true;
            self.sums.failed += 1;
        }
    }
}

/// Time is cut into numbered slices; slice `n` lives in place `n % SLICES` until slice `n + SLICES` needs it.
#[derive(Clone, Debug)]
pub(super) struct TimeWindow {
    slice_nanos: u64,
    newest: u64,
    slices: Box<[Sums; SlidingWindow::SLICES]>,
    sums: Sums,
}

impl TimeWindow {
    fn new(duration: Duration, now: Timestamp) -> Self {
        let slice_nanos = (Timestamp::from(duration).as_nanos() / SlidingWindow::SLICES as u64).max(1);
        Self {
            slice_nanos,
            newest: now.as_nanos() / slice_nanos,
            slices: Box::new([Sums::default(); SlidingWindow::SLICES]),
            sums: Sums::default(),
        }
    }

    fn place(slice: u64) -> usize {
        (slice % SlidingWindow::SLICES as u64) as usize
    }

    fn record(&mut self, assessment: Assessment, now: Timestamp) {
        let slice = now.as_nanos() / self.slice_nanos;
        self.roll(slice);
        // A call from a slice that has already been left counts in the newest: late is better than never.
        self.slices[Self::place(self.newest)].add(assessment);
        self.sums.add(assessment);
    }

    fn good_calls(&mut self, calls: u64, last: Timestamp) {
        self.roll(last.as_nanos() / self.slice_nanos);
        self.slices[Self::place(self.newest)].calls += calls;
        self.sums.calls += calls;
    }

    fn slice_ends(&self, now: Timestamp) -> Timestamp {
        let slice = self.newest.max(now.as_nanos() / self.slice_nanos);
        Timestamp::from_nanos(slice.saturating_add(1).saturating_mul(self.slice_nanos))
    }

    fn roll(&mut self, slice: u64) {
        for step in 1..=self.passed(slice) {
            let place = Self::place(self.newest.wrapping_add(step));
            self.sums.remove(self.slices[place]);
            self.slices[place] = Sums::default();
        }
        self.newest = self.newest.max(slice);
    }

    fn overdue_failed(&mut self, now: Timestamp) {
        // The slices that haven't left the window by now, oldest first.
        let passed = self.passed(now.as_nanos() / self.slice_nanos);
        let mut places =
            (passed..SlidingWindow::SLICES as u64).map(|step| Self::place(self.newest.wrapping_add(1 + step)));
        if places.any(|place| self.slices[place].overdue_failed()) {
            self.sums.failed += 1;
        }
    }

    /// How many slices have left the window once `slice` is in it.
    fn passed(&self, slice: u64) -> u64 {
        slice.saturating_sub(self.newest).min(SlidingWindow::SLICES as u64)
    }

    /// The sums as they would be at `now`, with nothing changed.
    fn sums_at(&self, now: Timestamp) -> Sums {
        let slice = now.as_nanos() / self.slice_nanos;
        let mut sums = self.sums;
        for step in 1..=self.passed(slice) {
            sums.remove(self.slices[Self::place(self.newest.wrapping_add(step))]);
        }
        sums
    }

    fn resized(&self, duration: Duration, now: Timestamp) -> Self {
        let oldest = self.newest.saturating_sub(SlidingWindow::SLICES as u64 - 1);
        let mut new = Self::new(duration, Timestamp::from_nanos(oldest.saturating_mul(self.slice_nanos)));
        for slice in oldest..=self.newest {
            new.roll(slice.saturating_mul(self.slice_nanos) / new.slice_nanos);
            let moved = self.slices[Self::place(slice)];
            let target = &mut new.slices[Self::place(new.newest)];
            for sums in [target, &mut new.sums] {
                sums.calls += moved.calls;
                sums.failed += moved.failed;
                sums.slow += moved.slow;
                sums.bad += moved.bad;
            }
        }
        new.roll(now.as_nanos() / new.slice_nanos);
        new
    }
}
