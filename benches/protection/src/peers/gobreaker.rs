//! The breaker of sony/gobreaker, re-implemented.

use std::{collections::VecDeque, ops::AddAssign, time::Duration};

use tower_breaker::clock::Timestamp;

use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// sony/gobreaker v2: a rule over counts, which are cleared when the state changes.
///
/// Each state has a generation. A call that began in an earlier generation isn't counted.
#[derive(Debug)]
pub(super) struct Gobreaker {
    settings: Settings,
    state: State,
    generation: u64,
    counts: Counts,
    /// The parts of `counts`, by bucket of the rolling window. The oldest is first.
    buckets: VecDeque<Counts>,
    rotations: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Calls let through when half-open, and consecutive successes that close it.
    pub(super) max_requests: u32,
    pub(super) window: Option<RollingWindow>,
    pub(super) open_for: Duration,
    pub(super) trips: fn(&Counts) -> bool,
    /// How a cancelled call counts. By default it is an error, unless `IsSuccessful` says
    /// otherwise.
    pub(super) cancelled: End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct RollingWindow {
    pub(super) bucket: Duration,
    pub(super) buckets: u32,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: u32,
    pub(super) successes: u32,
    pub(super) failures: u32,
    pub(super) consecutive_successes: u32,
    pub(super) consecutive_failures: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { bucket_ends: Option<Timestamp> },
    Open { until: Timestamp },
    HalfOpen,
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        max_requests: 1,
        window: None,
        open_for: Duration::from_secs(60),
        trips: |counts| counts.consecutive_failures > 5,
        cancelled: End::Failure,
    };

    pub(super) const TUNED: Self = Self {
        max_requests: 1,
        window: Some(RollingWindow {
            bucket: Duration::from_secs(1),
            buckets: 10,
        }),
        open_for: Duration::from_secs(5),
        trips: |counts| {
            let calls = counts.successes + counts.failures;
            calls >= 20 && 2 * counts.failures >= calls
        },
        cancelled: End::Success,
    };
}

impl Gobreaker {
    pub(super) fn new(settings: Settings) -> Self {
        let mut breaker = Self {
            settings,
            state: State::HalfOpen,
            generation: 0,
            counts: Counts::default(),
            buckets: VecDeque::new(),
            rotations: 0,
        };
        breaker.close(Timestamp::START);
        breaker
    }

    fn close(&mut self, now: Timestamp) {
        self.begin(State::Closed {
            bucket_ends: self.settings.window.map(|window| now + window.bucket),
        });
    }

    fn open(&mut self, now: Timestamp) {
        self.begin(State::Open {
            until: now + self.settings.open_for,
        });
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
        self.counts = Counts::default();
        self.buckets.clear();
        self.buckets.push_back(Counts::default());
        self.rotations = 0;
    }

    fn follow_time(&mut self, now: Timestamp) {
        match self.state {
            State::Closed { bucket_ends: Some(end) } if end < now => self.rotate(end),
            State::Open { until } if until < now => self.begin(State::HalfOpen),
            _ => {}
        }
    }

    /// Moves one bucket at a time, even if several have ended.
    fn rotate(&mut self, end: Timestamp) {
        let Some(window) = self.settings.window else {
            return;
        };
        self.rotations += 1;
        if self.rotations == window.buckets {
            self.generation += 1;
        }
        self.buckets.push_back(Counts::default());
        if self.buckets.len() > window.buckets as usize
            && let Some(oldest) = self.buckets.pop_front()
        {
            self.counts.forget(oldest);
        }
        self.state = State::Closed {
            bucket_ends: Some(end + window.bucket),
        };
    }

    fn count(&mut self, more: Counts) {
        self.counts += more;
        if let Some(newest) = self.buckets.back_mut() {
            *newest += more;
        }
    }

    fn succeeded(&mut self, now: Timestamp) {
        self.count(Counts::SUCCESS);
        if matches!(self.state, State::HalfOpen) && self.counts.consecutive_successes >= self.settings.max_requests {
            self.close(now);
        }
    }

    fn failed(&mut self, now: Timestamp) {
        match self.state {
            State::Closed { .. } => {
                self.count(Counts::FAILURE);
                if (self.settings.trips)(&self.counts) {
                    self.open(now);
                }
            }
            State::HalfOpen => self.open(now),
            State::Open { .. } => {}
        }
    }
}

impl Contestant for Gobreaker {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        self.follow_time(now);
        let id = CallId(self.generation);
        let admits = match self.state {
            State::Closed { .. } => true,
            State::HalfOpen => self.counts.requests < self.settings.max_requests,
            State::Open { .. } => false,
        };
        if admits {
            self.count(Counts::REQUEST);
            Route::Primary(id)
        } else {
            Route::Refused(id)
        }
    }

    fn primary_ended(&mut self, id: CallId, end: End, now: Timestamp) {
        self.follow_time(now);
        if id.0 != self.generation {
            return;
        }
        let end = if end == End::Dropped {
            self.settings.cancelled
        } else {
            end
        };
        match end {
            End::Success => self.succeeded(now),
            End::Failure => self.failed(now),
            End::Dropped => {}
        }
    }

    fn gate(&self, now: Timestamp) -> Gate {
        match self.state {
            State::Closed { .. } => Gate::Closed,
            State::Open { until } if until < now => Gate::HalfOpen,
            State::Open { .. } => Gate::Open,
            State::HalfOpen => Gate::HalfOpen,
        }
    }
}

impl Counts {
    const NOTHING: Self = Self {
        requests: 0,
        successes: 0,
        failures: 0,
        consecutive_successes: 0,
        consecutive_failures: 0,
    };
    const REQUEST: Self = Self {
        requests: 1,
        ..Self::NOTHING
    };
    const SUCCESS: Self = Self {
        successes: 1,
        consecutive_successes: 1,
        ..Self::NOTHING
    };
    const FAILURE: Self = Self {
        failures: 1,
        consecutive_failures: 1,
        ..Self::NOTHING
    };

    fn forget(&mut self, oldest: Self) {
        if self.consecutive_successes == self.successes {
            self.consecutive_successes -= oldest.consecutive_successes;
        }
        if self.consecutive_failures == self.failures {
            self.consecutive_failures -= oldest.consecutive_failures;
        }
        self.requests -= oldest.requests;
        self.successes -= oldest.successes;
        self.failures -= oldest.failures;
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.successes += more.successes;
        self.failures += more.failures;
        if more.successes > 0 {
            self.consecutive_failures = 0;
        }
        if more.failures > 0 {
            self.consecutive_successes = 0;
        }
        self.consecutive_successes += more.consecutive_successes;
        self.consecutive_failures += more.consecutive_failures;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::script::Script;

    fn default() -> Script<Gobreaker> {
        Script::new(Gobreaker::new(Settings::DEFAULT))
    }

    fn tuned() -> Script<Gobreaker> {
        Script::new(Gobreaker::new(Settings::TUNED))
    }

    #[test]
    fn the_sixth_failure_in_a_row_opens_it() {
        let mut script = default();
        script.calls(5, End::Failure);
        script.call(End::Success);
        script.calls(5, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn it_stays_open_for_sixty_seconds() {
        let mut script = default();
        script.calls(6, End::Failure);
        script.wait(60.0);
        assert!(!script.admitted());
        script.wait(0.001);
        assert_eq!(script.gate(), Gate::HalfOpen);
        assert!(script.admitted());
        assert!(!script.admitted(), "one probe");
    }

    #[test]
    fn the_probe_decides() {
        let mut script = default();
        script.calls(6, End::Failure);
        script.wait(61.0);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
        script.wait(61.0);
        script.call(End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn a_call_of_an_earlier_generation_neither_closes_nor_opens_it() {
        let mut script = default();
        let (early_success, early_failure) = (script.start(), script.start());
        script.calls(6, End::Failure);
        script.wait(61.0);
        let probe = script.start();
        script.end(early_success, End::Success);
        assert_eq!(script.gate(), Gate::HalfOpen);
        script.end(early_failure, End::Failure);
        assert_eq!(script.gate(), Gate::HalfOpen);
        script.end(probe, End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn half_of_twenty_failed_opens_the_tuned_one() {
        let mut script = tuned();
        script.calls(10, End::Success);
        script.calls(9, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn buckets_leave_the_rolling_window_one_by_one() {
        let mut script = tuned();
        script.calls(19, End::Failure);
        for _ in 0..10 {
            script.wait(1.001);
            script.call(End::Success);
        }
        assert_eq!(script.contestant.counts.failures, 0);
        assert_eq!(script.contestant.counts.successes, 10);
    }

    #[test]
    fn a_cancelled_call_is_a_failure_unless_set_otherwise() {
        let mut script = default();
        script.calls(6, End::Dropped);
        assert_eq!(script.gate(), Gate::Open);
        let mut script = tuned();
        script.calls(100, End::Dropped);
        assert_eq!(script.gate(), Gate::Closed);
    }
}
