//! The settings of a machine, and their check.
//!
//! Each setting checks itself. What two of them say together is checked here: a policy that goes by
//! slow calls needs a `slow_after`. A machine only ever has settings that passed.

use super::{
    completion::CancelledCalls,
    error::ConfigError,
    latency::SlowAfter,
    policy::Policy,
    recovery::{Recovery, open_duration::OpenDuration},
};

/// A machine's settings: what it decides by.
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{Evidence, config::Settings};
///
/// let settings = Settings::default()
///     .slow_after(Duration::from_millis(300))
///     .trip_when(Evidence::tolerating(0.3));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// From when on a call is bad though it doesn't fail. A call that is still in flight then is
    /// bad, too.
    pub slow_after: SlowAfter,
    /// When to trip. Default: [`Evidence`](super::Evidence).
    pub trip_when: Policy,
    /// How long to stay open.
    pub open_duration: OpenDuration,
    /// How access returns.
    pub recovery: Recovery,
    /// How a call counts that its caller gave up.
    pub cancelled_calls: CancelledCalls,
}

impl Settings {
    /// Sets from when on a call is slow.
    #[must_use]
    pub fn slow_after(mut self, slow_after: impl Into<SlowAfter>) -> Self {
        self.slow_after = slow_after.into();
        self
    }

    /// Sets when to trip.
    #[must_use]
    pub fn trip_when(mut self, policy: impl Into<Policy>) -> Self {
        self.trip_when = policy.into();
        self
    }

    /// Sets how long to stay open.
    #[must_use]
    pub fn open_duration(mut self, duration: impl Into<OpenDuration>) -> Self {
        self.open_duration = duration.into();
        self
    }

    /// Sets how access returns.
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// Sets what a call means that its caller gave up.
    #[must_use]
    pub fn cancelled_calls(mut self, cancelled: CancelledCalls) -> Self {
        self.cancelled_calls = cancelled;
        self
    }

    /// Checks the settings for a machine that knows of no backup.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_with_auto_as(SlowAfter::Never)
    }

    /// Checks the settings for a machine where [`SlowAfter::Auto`] stands for `auto`.
    pub(crate) fn check_with_auto_as(&self, auto: SlowAfter) -> Result<(), ConfigError> {
        if let SlowAfter::After(slow_after) = self.slow_after {
            ConfigError::check_duration("slow_after", slow_after)?;
        }
        self.trip_when.check(|| self.check_that_some_calls_are_slow(auto))?;
        self.open_duration.check()?;
        self.recovery.check()
    }

    fn check_that_some_calls_are_slow(&self, auto: SlowAfter) -> Result<(), ConfigError> {
        const NEEDED_BY: &str = "the slow-call rate";
        const ACCEPTED: &str = "a duration or `learned`";
        match (self.slow_after, self.slow_after.with_auto_as(auto)) {
            (SlowAfter::Never, _) => Err(ConfigError::out_of_range(
                "slow_after",
                "never",
                format!("{ACCEPTED} ({NEEDED_BY} needs one)"),
            )),
            (_, SlowAfter::Never) => Err(ConfigError::missing("slow_after", NEEDED_BY, ACCEPTED)),
            _ => Ok(()),
        }
    }
}
