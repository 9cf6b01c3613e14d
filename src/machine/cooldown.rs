use std::time::Duration;

use super::invalid::ConfigError;

/// How long the breaker stays open before it tries the primary again.
///
/// The default grows: 0.5 s × 1.5ᵏ up to 3 s, times a random factor between 0.5 and 1, where k counts the openings that no
/// ten closed seconds lay between. It also wants 10 + k calls to have been refused before a trial (or 60 s to have
/// passed), so that rare traffic isn't asked to pay for a probe at every other call.
///
/// A bare [`Duration`] is [`fixed`](Self::fixed):
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::OpenDuration;
///
/// let growing = OpenDuration::growing(Duration::from_secs(1), Duration::from_secs(30)).factor(2.0);
/// let fixed: OpenDuration = Duration::from_secs(5).into();
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenDuration {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
    pub(crate) factor: f64,
    pub(crate) jitter: f64,
    pub(crate) refused_before_trial: u32,
    pub(crate) retry_after_cap: Option<Duration>,
}

/// After this long, a trial needs no more refused calls.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

impl OpenDuration {
    /// Always this long, with no jitter and no minimum of refused calls. Above 0, at most 365 days.
    #[must_use]
    pub const fn fixed(duration: Duration) -> Self {
        Self {
            initial: duration,
            max: duration,
            factor: 1.0,
            jitter: 0.0,
            refused_before_trial: 0,
            retry_after_cap: None,
        }
    }

    /// `initial` at first, growing by a factor of 1.5 at each opening that follows, up to `max`.
    #[must_use]
    pub const fn growing(initial: Duration, max: Duration) -> Self {
        Self {
            initial,
            max,
            factor: 1.5,
            jitter: 0.5,
            refused_before_trial: 10,
            retry_after_cap: None,
        }
    }

    /// By how much it grows; 1 to 100. Default: 1.5.
    #[must_use]
    pub const fn factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// How much of it is random: with 0.5, the duration is multiplied by something between 0.5 and 1. From 0 to 1. Default: 0.5.
    #[must_use]
    pub const fn jitter(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }

    /// How many calls must have been refused before the first trial; one more for each opening that follows. Default: 10.
    #[must_use]
    pub const fn refused_before_trial(self, calls: u32) -> Self {
        Self {
            refused_before_trial: calls,
            ..self
        }
    }

    /// Stays open for as long as the primary asks, in a `Retry-After`, where that is longer; but no longer than `cap`. Above 0, at
    /// most 365 days. Default: what the primary asks for is ignored.
    #[must_use]
    pub const fn honour_retry_after(self, cap: Duration) -> Self {
        Self {
            retry_after_cap: Some(cap),
            ..self
        }
    }

    /// The duration of opening number `attempt`, for a `chance` between 0 and 1 and a primary that `asked_for` so long.
    pub(super) fn of(self, attempt: u32, chance: f64, asked_for: Duration) -> Duration {
        let max = self.max.as_secs_f64();
        // Infinite long before `attempt` is; `min` takes care of that.
        let grown = (self.initial.as_secs_f64() * self.factor.powf(f64::from(attempt))).min(max);
        let own = Duration::from_secs_f64(grown * (1.0 - self.jitter * chance));
        match self.retry_after_cap {
            Some(cap) => own.max(asked_for.min(cap)),
            None => own,
        }
    }

    /// How many calls opening number `attempt` has to refuse before a trial.
    pub(super) fn refusals(self, attempt: u32) -> u32 {
        match self.refused_before_trial {
            0 => 0,
            calls => calls.saturating_add(attempt),
        }
    }

    pub(super) fn check(self) -> Result<(), ConfigError> {
        ConfigError::check_duration("open_duration", self.initial)?;
        ConfigError::check_duration("open_duration.max", self.max)?;
        if self.max < self.initial {
            return Err(ConfigError::new(
                "open_duration.max",
                format!("{:?}", self.max),
                format!("at least the initial duration, {:?},", self.initial),
            ));
        }
        if !(self.factor >= 1.0 && self.factor <= 100.0) {
            return Err(ConfigError::new("open_duration.factor", self.factor, "1 to 100"));
        }
        if !(self.jitter >= 0.0 && self.jitter <= 1.0) {
            return Err(ConfigError::new("open_duration.jitter", self.jitter, "0 to 1"));
        }
        if let Some(cap) = self.retry_after_cap {
            ConfigError::check_duration("open_duration.retry_after_cap", cap)?;
        }
        Ok(())
    }
}

impl Default for OpenDuration {
    fn default() -> Self {
        Self::growing(Duration::from_millis(500), Duration::from_secs(3))
    }
}

impl From<Duration> for OpenDuration {
    fn from(duration: Duration) -> Self {
        Self::fixed(duration)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): jitter needs no more, and the same seed gives the same waits.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Something from 0 to 1, 1 excluded.
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
