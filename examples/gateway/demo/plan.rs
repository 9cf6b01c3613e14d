//! The plan of the demonstration: when each instance becomes sick and healthy.

use std::time::Duration;

/// The condition of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Healthy,
    Failing,
    Hanging,
    /// Doesn't listen any more.
    Dead,
}

/// A change of an instance's condition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    at: u64,
    /// For example `search-1`.
    pub(crate) instance: &'static str,
    pub(crate) condition: Condition,
}

pub(crate) const DURATION: Duration = Duration::from_secs(38);

const fn step(at: u64, instance: &'static str, condition: Condition) -> Step {
    Step {
        at,
        instance,
        condition,
    }
}

const STEPS: [Step; 10] = [
    step(3, "search-1", Condition::Failing),
    step(7, "search-1", Condition::Healthy),
    step(10, "search-2", Condition::Hanging),
    step(18, "search-2", Condition::Healthy),
    step(22, "search-1", Condition::Dead),
    step(23, "search-2", Condition::Dead),
    step(24, "search-3", Condition::Dead),
    step(28, "search-1", Condition::Healthy),
    step(28, "search-2", Condition::Healthy),
    step(28, "search-3", Condition::Healthy),
];

/// Returns the steps of this second. The plan starts over when it ends.
pub(crate) fn at(elapsed: Duration) -> impl Iterator<Item = Step> {
    let second = elapsed.as_secs() % DURATION.as_secs();
    STEPS.into_iter().filter(move |step| step.at == second)
}
