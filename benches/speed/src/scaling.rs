//! Measures whether a call costs more when the breaker has more to remember.

use std::time::Duration;

use tower_breaker::{
    Evidence,
    policy::{FailureRate, SlidingWindow},
};

use crate::{
    contestant::Contestant,
    figures::Measure,
    ours,
    path::Path,
    peers::{
        recloser, seatbelt,
        tower_resilience::{self, Window},
    },
    primary::{Holding, Steady},
    subject::Subject,
};

/// A quantity that grows from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    Window,
    WindowTime,
    InFlight,
}

/// A contestant in one setting: a line in the plot.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub name: &'static str,
    pub contestant: Contestant,
    /// Whether each timed call stays in the window and makes the following calls slower.
    pub grows: bool,
    make: fn(u64) -> Box<dyn Subject>,
}

impl Scaling {
    pub const ALL: &[Self] = &[Self::Window, Self::WindowTime, Self::InFlight];

    #[must_use]
    pub const fn measure(self) -> Measure {
        match self {
            Self::Window => Measure::Window,
            Self::WindowTime => Measure::WindowTime,
            Self::InFlight => Measure::InFlight,
        }
    }

    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Window => "calls in the window",
            Self::WindowTime => "length of the window, in seconds",
            Self::InFlight => "calls in flight",
        }
    }

    /// Returns the steps, from small to large. The last takes long to prepare if the cost isn't
    /// flat.
    #[must_use]
    pub const fn steps(self) -> &'static [u64] {
        match self {
            Self::Window => &[100, 1000, 10_000, 100_000],
            Self::WindowTime => &[1, 10, 100, 1000, 10_000],
            Self::InFlight => &[0, 1, 10, 100, 1000, 10_000],
        }
    }

    #[must_use]
    pub const fn lines(self) -> &'static [Line] {
        match self {
            Self::Window => WINDOW,
            Self::WindowTime => WINDOW_TIME,
            Self::InFlight => IN_FLIGHT,
        }
    }

    /// Builds the subject of a line with `step` calls, seconds or calls in flight.
    #[must_use]
    pub fn subject(self, line: Line, step: u64) -> Box<dyn Subject> {
        let mut subject = (line.make)(step);
        match self {
            Self::Window => subject.run(step),
            Self::WindowTime => subject.run(1000),
            Self::InFlight => (0..step).for_each(|_| subject.hold()),
        }
        subject
    }

    /// Builds the bare subject that the lines are compared with.
    #[must_use]
    pub fn bare(self) -> Box<dyn Subject> {
        match self {
            Self::Window | Self::WindowTime => made(Contestant::Bare, Path::Closed),
            Self::InFlight => holding(Contestant::Bare),
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

const WINDOW: &[Line] = &[
    Line {
        name: "tower-breaker, evidence (no window)",
        contestant: Contestant::Ours,
        grows: false,
        make: |_| ours::with_policy(Evidence::default(), Steady),
    },
    Line {
        name: "tower-breaker, rate over calls",
        contestant: Contestant::Ours,
        grows: false,
        make: |calls| ours::with_policy(rate_over(SlidingWindow::last_calls(calls as usize)), Steady),
    },
    Line {
        name: "tower-breaker, rate over an hour",
        contestant: Contestant::Ours,
        grows: false,
        make: |_| ours::with_policy(rate_over(SlidingWindow::last(HOUR)), Steady),
    },
    Line {
        name: "tower-resilience, calls",
        contestant: Contestant::TowerResilience,
        grows: false,
        make: |calls| tower_resilience::with_window(Window::Calls(calls as usize), Steady),
    },
    Line {
        name: "tower-resilience, an hour",
        contestant: Contestant::TowerResilience,
        grows: true,
        make: |_| tower_resilience::with_window(Window::Time(HOUR), Steady),
    },
    Line {
        name: "seatbelt, an hour",
        contestant: Contestant::Seatbelt,
        grows: false,
        make: |_| seatbelt::with_window(HOUR, Steady),
    },
    Line {
        name: "failsafe, half a minute",
        contestant: Contestant::Failsafe,
        grows: false,
        make: |_| made(Contestant::Failsafe, Path::Closed),
    },
    Line {
        name: "recloser, calls",
        contestant: Contestant::Recloser,
        grows: false,
        make: |calls| recloser::with_window(calls as usize, Steady),
    },
];

const WINDOW_TIME: &[Line] = &[
    Line {
        name: "tower-breaker, rate over time",
        contestant: Contestant::Ours,
        grows: false,
        make: |seconds| ours::with_policy(rate_over(SlidingWindow::last(Duration::from_secs(seconds))), Steady),
    },
    Line {
        name: "seatbelt",
        contestant: Contestant::Seatbelt,
        grows: false,
        make: |seconds| seatbelt::with_window(Duration::from_secs(seconds), Steady),
    },
];

const IN_FLIGHT: &[Line] = &[
    Line {
        name: "tower-breaker",
        contestant: Contestant::Ours,
        grows: false,
        make: |_| holding(Contestant::Ours),
    },
    Line {
        name: "tower-breaker, slow_after",
        contestant: Contestant::Ours,
        grows: false,
        make: |_| ours::never_overdue(Holding),
    },
    Line {
        name: "tower-resilience",
        contestant: Contestant::TowerResilience,
        grows: false,
        make: |_| holding(Contestant::TowerResilience),
    },
    Line {
        name: "seatbelt",
        contestant: Contestant::Seatbelt,
        grows: false,
        make: |_| holding(Contestant::Seatbelt),
    },
    Line {
        name: "failsafe",
        contestant: Contestant::Failsafe,
        grows: false,
        make: |_| holding(Contestant::Failsafe),
    },
    Line {
        name: "recloser",
        contestant: Contestant::Recloser,
        grows: false,
        make: |_| holding(Contestant::Recloser),
    },
];

fn rate_over(window: SlidingWindow) -> FailureRate {
    FailureRate::at_least(0.5).over(window)
}

fn made(contestant: Contestant, path: Path) -> Box<dyn Subject> {
    contestant.subject(path, Steady).expect("each has this path")
}

fn holding(contestant: Contestant) -> Box<dyn Subject> {
    contestant.subject(Path::Closed, Holding).expect("each has this path")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primary::{Answer, Request};

    #[test]
    fn each_line_stays_closed() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _in_runtime = runtime.enter();
        for scaling in Scaling::ALL {
            for line in scaling.lines() {
                let mut subject = scaling.subject(*line, 100);
                subject.run(1000);
                assert_eq!(subject.call(Request::Succeed), Ok(Answer::Primary), "{}", line.name);
            }
        }
    }
}
