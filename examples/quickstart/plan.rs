use std::{fmt, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// How a server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Healthy,
    /// It accepts requests, and never answers.
    Hanging,
    /// It answers 503.
    Failing,
    /// It takes 20 times as long.
    Slow,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthy => "healthy",
            Self::Hanging => "hanging",
            Self::Failing => "failing",
            Self::Slow => "slow",
        })
    }
}

/// What the primary goes through. The breaker stays open longer each time, so later faults are followed by more time to recover.
const PLAN: [(Condition, Duration); 7] = [
    (Condition::Healthy, Duration::from_millis(1500)),
    (Condition::Hanging, Duration::from_millis(3500)),
    (Condition::Healthy, Duration::from_millis(4500)),
    (Condition::Failing, Duration::from_millis(3500)),
    (Condition::Healthy, Duration::from_millis(5000)),
    (Condition::Slow, Duration::from_millis(3500)),
    (Condition::Healthy, Duration::from_millis(5000)),
];

/// A part of the plan; times count from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) condition: Condition,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

pub(crate) fn phases() -> impl Iterator<Item = Phase> {
    PLAN.into_iter().scan(Duration::ZERO, |end, (condition, lasts)| {
        let from = *end;
        *end += lasts;
        Some(Phase {
            condition,
            from,
            to: *end,
        })
    })
}

pub(crate) fn length() -> Duration {
    PLAN.into_iter().map(|(_, lasts)| lasts).sum()
}

/// What the primary is really like at this moment.
pub(crate) fn condition_at(elapsed: Duration) -> Condition {
    phases()
        .take_while(|phase| phase.from <= elapsed)
        .last()
        .map_or(Condition::Healthy, |phase| phase.condition)
}

/// Puts the servers through the plan.
pub(crate) async fn follow(start: Instant, condition: watch::Sender<Condition>) {
    for phase in phases() {
        sleep_until(start + phase.from).await;
        condition.send_replace(phase.condition);
    }
}
