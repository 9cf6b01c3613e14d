//! The breaker of resilience4j, re-implemented.

use std::{collections::VecDeque, time::Duration};

use tower_breaker::clock::Timestamp;

use super::call_counts::{Buckets, CallCounts};
use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// resilience4j's `CircuitBreaker`: failure and slow-call rates over the last calls, or over the
/// last seconds.
///
/// When half-open it lets a number of calls through, and decides by the same two rates once as many
/// have ended. A call counts when it ends, even if it began before the trip. A cancelled call
/// returns its permit.
#[derive(Debug)]
pub(super) struct Resilience4j {
    settings: Settings,
    state: State,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) window: Window,
    pub(super) minimum_calls: u32,
    pub(super) failure_rate: f64,
    /// Calls that take longer than this are slow.
    pub(super) slow_after: Duration,
    pub(super) slow_rate: f64,
    pub(super) open_for: Duration,
    pub(super) half_open_calls: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Window {
    Calls(usize),
    Seconds(usize),
}

#[derive(Debug)]
enum State {
    Closed(Metrics),
    Open { until: Timestamp },
    HalfOpen { permits: u32, metrics: Metrics },
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        window: Window::Calls(100),
        minimum_calls: 100,
        failure_rate: 0.5,
        slow_after: Duration::from_secs(60),
        slow_rate: 1.0,
        open_for: Duration::from_secs(60),
        half_open_calls: 10,
    };

    pub(super) const fn tuned(objective: Duration) -> Self {
        Self {
            window: Window::Seconds(10),
            minimum_calls: 20,
            failure_rate: 0.5,
            slow_after: objective,
            slow_rate: 0.5,
            open_for: Duration::from_secs(5),
            half_open_calls: 3,
        }
    }

    /// Like the tuned settings, but with the shortest window and wait that heavy traffic allows.
    pub(super) const fn swift(objective: Duration) -> Self {
        Self {
            window: Window::Seconds(2),
            minimum_calls: 10,
            open_for: Duration::from_secs(2),
            ..Self::tuned(objective)
        }
    }
}

impl Resilience4j {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Closed(Metrics::new(settings.window, settings.minimum_calls)),
        }
    }

    fn record(&mut self, mut call_counts: CallCounts, took: Duration, now: Timestamp) {
        call_counts.slow = u32::from(took > self.settings.slow_after);
        let verdict = match &mut self.state {
            State::Closed(metrics) | State::HalfOpen { metrics, .. } => {
                metrics.record(call_counts, now, &self.settings)
            }
            State::Open { .. } => return,
        };
        match verdict {
            Verdict::TooFew => {}
            Verdict::Bad => {
                self.state = State::Open {
                    until: now + self.settings.open_for,
                };
            }
            Verdict::Good => {
                if matches!(self.state, State::HalfOpen { .. }) {
                    self.state = State::Closed(Metrics::new(self.settings.window, self.settings.minimum_calls));
                }
            }
        }
    }
}

impl Contestant for Resilience4j {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        // A call's number is the time at which it began.
        let id = CallId(now.as_nanos());
        if matches!(self.state, State::Open { until } if now > until) {
            let calls = self.settings.half_open_calls;
            self.state = State::HalfOpen {
                permits: calls,
                metrics: Metrics::new(Window::Calls(calls as usize), self.settings.minimum_calls),
            };
        }
        match &mut self.state {
            State::Closed(_) => Route::Primary(id),
            State::HalfOpen { permits, .. } if *permits > 0 => {
                *permits -= 1;
                Route::Primary(id)
            }
            State::Open { .. } | State::HalfOpen { .. } => Route::Refused(id),
        }
    }

    fn primary_ended(&mut self, id: CallId, end: End, now: Timestamp) {
        let took = now.since(Timestamp::from_nanos(id.0));
        match end {
            End::Success => self.record(CallCounts::SUCCESS, took, now),
            End::Failure => self.record(CallCounts::FAILURE, took, now),
            End::Dropped => {
                if let State::HalfOpen { permits, .. } = &mut self.state {
                    *permits += 1;
                }
            }
        }
    }

    fn gate(&self, _now: Timestamp) -> Gate {
        match self.state {
            State::Closed(_) => Gate::Closed,
            State::Open { .. } => Gate::Open,
            State::HalfOpen { .. } => Gate::HalfOpen,
        }
    }
}

#[derive(Debug)]
struct Metrics {
    counted: Counted,
    minimum_calls: u32,
}

#[derive(Debug)]
enum Counted {
    Calls {
        last: VecDeque<CallCounts>,
        len: usize,
        sum: CallCounts,
    },
    Seconds(Buckets),
}

enum Verdict {
    TooFew,
    Good,
    Bad,
}

impl Metrics {
    fn new(window: Window, minimum_calls: u32) -> Self {
        match window {
            Window::Calls(len) => Self {
                counted: Counted::Calls {
                    last: VecDeque::with_capacity(len),
                    len,
                    sum: CallCounts::default(),
                },
                minimum_calls: minimum_calls.min(len as u32),
            },
            Window::Seconds(seconds) => Self {
                counted: Counted::Seconds(Buckets::new(Duration::from_secs(1), seconds)),
                minimum_calls,
            },
        }
    }

    fn record(&mut self, call_counts: CallCounts, now: Timestamp, settings: &Settings) -> Verdict {
        let sum = match &mut self.counted {
            Counted::Calls { last, len, sum } => {
                if last.len() == *len
                    && let Some(oldest) = last.pop_front()
                {
                    *sum -= oldest;
                }
                last.push_back(call_counts);
                *sum += call_counts;
                *sum
            }
            Counted::Seconds(buckets) => {
                buckets.add(call_counts, now);
                buckets.sum(now)
            }
        };
        let calls = f64::from(sum.calls());
        if sum.calls() < self.minimum_calls {
            Verdict::TooFew
        } else if f64::from(sum.failures) >= settings.failure_rate * calls
            || f64::from(sum.slow) >= settings.slow_rate * calls
        {
            Verdict::Bad
        } else {
            Verdict::Good
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::script::Script;

    fn default() -> Script<Resilience4j> {
        Script::new(Resilience4j::new(Settings::DEFAULT))
    }

    #[test]
    fn the_hundredth_call_decides_and_no_call_before() {
        let mut script = default();
        for _ in 0..99 {
            script.call(End::Failure);
        }
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn just_under_half_failed_stays_closed() {
        let mut script = default();
        for n in 0..1000 {
            script.call(if n % 100 < 49 { End::Failure } else { End::Success });
        }
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn a_success_can_be_the_call_that_opens_it() {
        let mut script = default();
        for _ in 0..50 {
            script.call(End::Failure);
        }
        for _ in 0..49 {
            script.call(End::Success);
        }
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Success);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn it_stays_open_for_sixty_seconds() {
        let mut script = default();
        script.calls(100, End::Failure);
        script.wait(60.0);
        assert!(!script.admitted());
        script.wait(0.001);
        assert!(script.admitted());
        assert_eq!(script.gate(), Gate::HalfOpen);
    }

    #[test]
    fn half_open_lets_ten_through_and_decides_when_all_have_ended() {
        let mut script = default();
        script.calls(100, End::Failure);
        script.wait(61.0);
        let ids: Vec<_> = (0..10).map(|_| script.start()).collect();
        assert!(!script.admitted());
        for &id in &ids[..4] {
            script.end(id, End::Failure);
        }
        for &id in &ids[4..9] {
            script.end(id, End::Success);
        }
        assert_eq!(script.gate(), Gate::HalfOpen);
        script.end(ids[9], End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn half_of_the_probes_failed_opens_it_again() {
        let mut script = default();
        script.calls(100, End::Failure);
        script.wait(61.0);
        script.calls(5, End::Success);
        script.calls(5, End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn a_cancelled_probe_gives_its_permit_back() {
        let mut script = default();
        script.calls(100, End::Failure);
        script.wait(61.0);
        script.calls(25, End::Dropped);
        script.calls(10, End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn half_of_the_calls_slower_than_the_objective_open_it() {
        let mut script = Script::new(Resilience4j::new(Settings::tuned(Duration::from_millis(500))));
        for n in 0..20 {
            assert_eq!(script.gate(), Gate::Closed);
            script.call_taking(if n % 2 == 0 { 0.4 } else { 0.51 }, End::Success);
        }
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn failures_older_than_the_window_of_time_are_forgotten() {
        let mut script = Script::new(Resilience4j::new(Settings::tuned(Duration::from_millis(500))));
        script.calls(19, End::Failure);
        script.wait(10.0);
        script.calls(19, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
    }
}
