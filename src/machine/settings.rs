use std::time::Duration;

use super::{cooldown::OpenDuration, invalid::ConfigError, policy::Policy, recovery::Recovery};

/// What the machine decides by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// A call that takes longer than this is bad, and so is one that is still in flight after it.
    pub slow_after: SlowAfter,
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
        self.check_with_auto_as(SlowAfter::Never)
    }

    pub(crate) fn check_with_auto_as(&self, auto: SlowAfter) -> Result<(), ConfigError> {
        if let SlowAfter::After(slow_after) = self.slow_after {
            ConfigError::check_duration("slow_after", slow_after)?;
        }
        self.trip_when.check(self.slow_after, auto)?;
        self.open_duration.check()?;
        self.recovery.check()
    }
}

/// From when on a call is slow, which is as bad as an error.
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{Config, config::SlowAfter};
///
/// let by_hand = Config::new("payments").slow_after(Duration::from_millis(300));
/// let learned = Config::new("payments").slow_after(SlowAfter::Learned);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlowAfter {
    /// [`Learned`](Self::Learned) where refused calls go to a [backup service](crate::layer::CircuitBreakerLayerBuilder::backup), [`Never`](Self::Never) elsewhere:
    /// to refuse a call that would merely have been slow can cost more than it saves. A bare [`Machine`](super::Machine) knows of no
    /// backup, and takes it as `Never`.
    #[default]
    Auto,
    /// Only failures are bad; a call that hangs goes unnoticed until something ends it.
    Never,
    /// Longer than this. Above 0, at most 365 days.
    After(Duration),
    /// When it takes 4.5 times as long as the slowest 1 % of recent good calls, never under 100 ms; and that yardstick at most doubles, or
    /// halves, in ten minutes.
    ///
    /// That is max(100 ms, 4.5 × p99). About ten good calls a second are learned from, slow ones included, whatever the breaker's state; the
    /// p99 is read every 64 of them, to a quarter of an octave, from 1 ms to 17 minutes. No call is slow before the first reading. In
    /// the ten minutes after it the yardstick falls as fast as the latency does, since a service is often slow at first. A time without
    /// calls adds nothing to how far it may move (no more than ten seconds would), and each call is judged by the yardstick of its start.
    Learned,
}

impl SlowAfter {
    /// The same, but for [`Auto`](Self::Auto): what that stands for.
    pub(super) fn with_auto_as(self, auto: Self) -> Self {
        match self {
            Self::Auto => auto,
            set => set,
        }
    }
}

impl From<Duration> for SlowAfter {
    fn from(duration: Duration) -> Self {
        Self::After(duration)
    }
}

impl From<Option<Duration>> for SlowAfter {
    /// `None` is [`Never`](Self::Never).
    fn from(duration: Option<Duration>) -> Self {
        duration.map_or(Self::Never, Self::After)
    }
}

/// What a call means whose future was dropped before it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CancelledCalls {
    /// Slow where it was past `slow_after`, or past 1.5 times the learned p99 (which at most 1 % of healthy calls are), else nothing: so
    /// that a timeout outside the layer doesn't blind the breaker. The p99 is learned, as [`SlowAfter::Learned`] says, unless `slow_after`
    /// is [`Never`](SlowAfter::Never).
    #[default]
    SlowIfOverdue,
    /// Nothing. (A call still in flight past `slow_after` has counted as slow by then.)
    Ignore,
    /// A failure.
    Failure,
}
