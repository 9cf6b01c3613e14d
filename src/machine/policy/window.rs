//! Sliding windows: as a setting, and as the memory behind it.
//!
//! [`SlidingWindow`] is what a policy asks for. [`Window`] keeps that many calls, or that much
//! time, and sums them up. Recording is O(1), and memory doesn't grow with traffic.

use std::{borrow::Cow, collections::VecDeque, time::Duration};

use super::counts::Sums;
use crate::machine::{completion::Assessment, error::ConfigError, time::Timestamp};

/// A choice of the calls that a rate is taken over: the last N calls, or those of the last T.
///
/// A window slides: what leaves it no longer counts, whatever its number. Memory doesn't grow with
/// traffic: about ten bytes a call for [`last_calls`](Self::last_calls), [`SlidingWindow::SLICES`]
/// sums for [`last`](Self::last).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlidingWindow {
    /// The last N calls: 1 to [`SlidingWindow::MAX_CALLS`].
    Calls(usize),
    /// The calls of the last T, to a [`SlidingWindow::SLICES`]th of it: 1 ms to 365 days.
    Time(Duration),
}

impl SlidingWindow {
    /// The largest window of calls.
    pub const MAX_CALLS: usize = 1_000_000;
    /// The number of slices that a window of time is divided into.
    pub const SLICES: usize = 20;

    /// Takes the last `calls` calls: 1 to [`MAX_CALLS`](Self::MAX_CALLS).
    #[must_use]
    pub const fn last_calls(calls: usize) -> Self {
        Self::Calls(calls)
    }

    /// Takes the calls of the last `duration`: 1 ms to 365 days.
    #[must_use]
    pub const fn last(duration: Duration) -> Self {
        Self::Time(duration)
    }

    pub(super) fn check(self, field: impl Into<Cow<'static, str>>) -> Result<(), ConfigError> {
        match self {
            Self::Calls(1..=Self::MAX_CALLS) => Ok(()),
            Self::Calls(calls) => Err(ConfigError::out_of_range(field, calls, "1 to 1000000 calls")),
            Self::Time(time) if time < Duration::from_millis(1) => Err(ConfigError::out_of_range(
                field,
                format!("{time:?}"),
                "1 ms to 365 days",
            )),
            Self::Time(time) => ConfigError::check_duration(field, time),
        }
    }
}

/// A memory of the calls in a [`SlidingWindow`]. Recording is O(1); a gap of any length costs at
/// most one pass over the slices.
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

    /// Records good calls, the last of which came back at `last`. A window of time takes all of
    /// them as having come back then.
    pub(super) fn record_successes(&mut self, calls: u64, last: Timestamp) {
        match self {
            Self::Calls(window) => window.record_successes(calls),
            Self::Time(window) => window.record_successes(calls, last),
        }
    }

    /// Returns until when a window of time adds calls to the same slice as at `now`.
    pub(super) fn slice_ends(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Calls(_) => None,
            Self::Time(window) => Some(window.slice_ends(now)),
        }
    }

    /// Counts a call that was recorded as slow as failed, too. Which one it was doesn't matter to a
    /// sum: it is the oldest in the window.
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

    /// Returns a window of another size, with as much of this one's content as fits. It is empty
    /// where the two kinds differ.
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

/// A window of calls: the last ones, one by one.
#[derive(Clone, Debug)]
pub(super) struct CallWindow {
    capacity: usize,
    calls: VecDeque<Assessment>,
    sums: Sums,
    /// How many calls have left the window.
    left: u64,
    /// The calls that were only slow, by their number since the window was made. Calls that have
    /// left the window may be among them.
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

    fn record_successes(&mut self, calls: u64) {
        let calls = usize::try_from(calls).unwrap_or(usize::MAX);
        if self.sums.bad > 0 {
            // More calls than the window holds leave nothing of what came before.
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

/// A window of time: the sums of its slices. Time is cut into numbered slices; slice `n` lives in
/// place `n % SLICES` until slice `n + SLICES` needs it.
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
        // A call from an older slice counts in the newest one: late is better than never.
        self.slices[Self::place(self.newest)].add(assessment);
        self.sums.add(assessment);
    }

    fn record_successes(&mut self, calls: u64, last: Timestamp) {
        self.roll(last.as_nanos() / self.slice_nanos);
        self.slices[Self::place(self.newest)].calls += calls;
        self.sums.calls += calls;
    }

    fn slice_ends(&self, now: Timestamp) -> Timestamp {
        let slice = self.newest.max(now.as_nanos() / self.slice_nanos);
        Timestamp::from_nanos(slice.saturating_add(1).saturating_mul(self.slice_nanos))
    }

    /// Empties the slices that have left the window once `slice` is in it.
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

    /// Returns how many slices leave the window once `slice` is in it.
    fn passed(&self, slice: u64) -> u64 {
        slice.saturating_sub(self.newest).min(SlidingWindow::SLICES as u64)
    }

    /// Returns the sums as they would be at `now`. Nothing changes.
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
            new.slices[Self::place(new.newest)].add_all(moved);
            new.sums.add_all(moved);
        }
        new.roll(now.as_nanos() / new.slice_nanos);
        new
    }
}
