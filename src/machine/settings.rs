use std::time::Duration;

use super::{cooldown::OpenDuration, invalid::ConfigError, policy::Policy, recovery::Recovery};

/// What the machine decides by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// A call that takes longer than this is bad, and so is one that is still in flight after it. `None`: only failures are bad.
    pub slow_after: Option<Duration>,
    /// When to trip. Default: [`Evidence`](super::Evidence).
    pub trip_when: Policy,
    /// How long to stay open.
    pub open_duration: OpenDuration,
    /// How access returns.
    pub recovery: Recovery,
    /// What a call means that its caller gave up.
    pub cancelled_calls: CancelledCalls,
}

impl Settings {
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(slow_after) = self.slow_after {
            ConfigError::check_duration("slow_after", slow_after)?;
        }
        self.trip_when.check(self.slow_after)?;
        self.open_duration.check()?;
        self.recovery.check()
    }
}

/// What a call means whose future was dropped before it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CancelledCalls {
    /// Slow where it was past `slow_after`, else nothing: so that a timeout outside the layer doesn't blind the breaker.
    #[default]
    SlowIfOverdue,
    /// Nothing. (A call still in flight past `slow_after` has counted as slow by then.)
    Ignore,
    /// A failure.
    Failure,
}
