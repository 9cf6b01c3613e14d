//! Latency: from when on a call is slow, as set by hand or learned.
//!
//! [`SlowAfter`] is the setting. The [estimator] learns from a few good calls how long they take.

pub(in crate::machine) mod estimator;

use std::time::Duration;

/// A setting that says from when on a call is slow, which is as bad as an error.
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
    /// Means [`Learned`](Self::Learned) where refused calls go to a
    /// [backup service](crate::layer::CircuitBreakerLayerBuilder::backup), and
    /// [`Never`](Self::Never) elsewhere: to refuse a call that would merely have been slow can cost
    /// more than it saves. A bare [`Machine`](super::Machine) knows of no backup, and takes it as
    /// `Never`.
    #[default]
    Auto,
    /// Counts only failures as bad. A call that hangs goes unnoticed until something ends it.
    Never,
    /// Counts a call as slow that takes longer than this. Above 0, at most 365 days.
    After(Duration),
    /// Counts a call as slow that takes 4.5 times as long as the slowest 1 % of recent good calls,
    /// never under 100 ms. That limit at most doubles, or halves, in ten minutes.
    ///
    /// It is max(100 ms, 4.5 × p99). The breaker learns from about ten good calls a second, slow
    /// ones included, whatever its state. It estimates the p99 after every 64 of them, to a quarter
    /// of an octave, from 1 ms to 17 minutes. No call is slow before the first estimate. In the ten
    /// minutes after it the limit falls as fast as the latency does, since a service is often slow
    /// at first. A gap between samples counts as ten seconds at most towards how far the limit
    /// may move. Each call is judged by the limit at its start.
    Learned,
}

impl SlowAfter {
    /// Returns what the setting means where [`Auto`](Self::Auto) stands for `auto`.
    pub(super) fn with_auto_as(self, auto: Self) -> Self {
        match self {
            Self::Auto => auto,
            set => set,
        }
    }
}

impl From<Duration> for SlowAfter {
    /// Returns [`After`](Self::After).
    fn from(duration: Duration) -> Self {
        Self::After(duration)
    }
}

impl From<Option<Duration>> for SlowAfter {
    /// Returns [`After`](Self::After), and [`Never`](Self::Never) for `None`.
    fn from(duration: Option<Duration>) -> Self {
        duration.map_or(Self::Never, Self::After)
    }
}
