//! The plan of the demonstration: when the primary is hanging, failing or slow.

use std::{fmt, time::Duration};

/// The condition of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Healthy,
    /// Accepts requests and never answers.
    Hanging,
    /// Answers 503.
    Failing,
    /// Takes 20 times as long.
    Slow,
}

/// A condition of the primary, and when it begins and ends, from the start.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) condition: Condition,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

/// The faults. The primary is healthy between them. The breaker stays open longer each time,
/// because it wasn't closed for ten seconds before.
pub(crate) const FAULTS: [Fault; 3] = [
    Fault::new(Condition::Hanging, 1_500, 5_000),
    Fault::new(Condition::Failing, 9_500, 13_000),
    Fault::new(Condition::Slow, 18_000, 21_500),
];

pub(crate) const LENGTH: Duration = Duration::from_millis(26_500);

/// Returns the primary's condition. The plan starts over when it ends.
pub(crate) fn condition_at(elapsed: Duration) -> Condition {
    let elapsed = Duration::from_millis((elapsed.as_millis() % LENGTH.as_millis()) as u64);
    FAULTS
        .iter()
        .find(|fault| (fault.from..fault.to).contains(&elapsed))
        .map_or(Condition::Healthy, |fault| fault.condition)
}

impl Fault {
    const fn new(condition: Condition, from_millis: u64, to_millis: u64) -> Self {
        Self {
            condition,
            from: Duration::from_millis(from_millis),
            to: Duration::from_millis(to_millis),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}").to_lowercase())
    }
}
