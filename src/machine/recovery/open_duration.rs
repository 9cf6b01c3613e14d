//! How long the breaker stays open: as a setting, and as the state of an open breaker.
//!
//! [`OpenDuration`] is the setting. It begins a [`Cooldown`] at each opening, which ends with time,
//! with refused calls, or with an operator's word.

use std::time::Duration;

use crate::machine::{error::ConfigError, time::Timestamp};

/// A setting that says how long the breaker stays open before it tries the primary again.
///
/// The default grows: 0.5 s × 1.5ᵏ up to 3 s, times a random factor between 0.5 and 1, where k
/// counts the openings that no ten closed seconds lay between.
///
/// It also asks that 10 + k calls have been refused before a trial (or 60 s × 1.5ᵏ have passed, at
/// most ten minutes), so that rare traffic doesn't pay for a probe at every other call. And 200
/// calls, times that factor, are enough after 100 ms, so that busy traffic doesn't lose more by
/// waiting than a probe would cost. A `Retry-After` that it honors comes first.
///
/// A bare [`Duration`] is [`fixed`](Self::fixed):
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::recovery::OpenDuration;
///
/// let [second, minute] = [1, 60].map(Duration::from_secs);
/// let growing = OpenDuration::growing(second, minute).factor(2.0);
/// let fixed: OpenDuration = Duration::from_secs(5).into();
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenDuration {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
    pub(crate) factor: f64,
    pub(crate) jitter: f64,
    pub(crate) refused_before_trial: u32,
    pub(crate) ends_after_refusals: u32,
    pub(crate) retry_after_cap: Option<Duration>,
}

/// After this long, at the first opening, a trial needs no more refused calls. At each opening that
/// follows it is longer by [`PATIENCE_GROWS`], up to [`MOST_PATIENCE`].
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_GROWS: f64 = 1.5;
const MOST_PATIENCE: Duration = Duration::from_secs(600);

/// The primary gets no calls for so long, however many are refused.
const SHORTEST: Duration = Duration::from_millis(100);

impl OpenDuration {
    /// Stays open for always this long, with no jitter, however few or many calls are refused.
    /// Above 0, at most 365 days.
    #[must_use]
    pub const fn fixed(duration: Duration) -> Self {
        Self {
            initial: duration,
            max: duration,
            factor: 1.0,
            jitter: 0.0,
            refused_before_trial: 0,
            ends_after_refusals: 0,
            retry_after_cap: None,
        }
    }

    /// Stays open for `initial` at first, growing by a factor of 1.5 at each opening that follows,
    /// up to `max`.
    #[must_use]
    pub const fn growing(initial: Duration, max: Duration) -> Self {
        Self {
            initial,
            max,
            factor: 1.5,
            jitter: 0.5,
            refused_before_trial: 10,
            ends_after_refusals: 200,
            retry_after_cap: None,
        }
    }

    /// Sets the factor by which it grows; 1 to 100. Default: 1.5.
    #[must_use]
    pub const fn factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// Sets how much of it is random: with 0.5, the duration is multiplied by a factor between 0.5
    /// and 1. From 0 to 1. Default: 0.5.
    #[must_use]
    pub const fn jitter(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }

    /// Sets how many calls must have been refused before the first trial; one more for each opening
    /// that follows. Default: 10.
    #[must_use]
    pub const fn refused_before_trial(self, calls: u32) -> Self {
        Self {
            refused_before_trial: calls,
            ..self
        }
    }

    /// Ends it as soon as so many calls have been refused, times the random factor, but after 100
    /// ms at the soonest. Where calls are many, waiting loses more of them than a probe costs. With
    /// 0, time alone decides. Default: 200; for [`fixed`](Self::fixed), 0.
    #[must_use]
    pub const fn ends_after_refusals(self, calls: u32) -> Self {
        Self {
            ends_after_refusals: calls,
            ..self
        }
    }

    /// Stays open for as long as the primary asks, in a `Retry-After`, where that is longer; but no
    /// longer than `cap`. Above 0, at most 365 days. Default: what the primary asks for is ignored.
    #[must_use]
    pub const fn honor_retry_after(self, cap: Duration) -> Self {
        Self {
            retry_after_cap: Some(cap),
            ..self
        }
    }

    /// Begins opening number `attempt` at `now`. Returns it with its length.
    ///
    /// `random` is a number from 0 to 1, for the jitter; `asked_for` is the pause that the primary
    /// asked for.
    pub(in crate::machine) fn begin(
        self,
        attempt: u32,
        random: f64,
        asked_for: Duration,
        now: Timestamp,
    ) -> (Cooldown, Duration) {
        let max = self.max.as_secs_f64();
        // The power becomes infinite for large attempts; `min` takes care of that.
        let grown = (self.initial.as_secs_f64() * self.factor.powf(f64::from(attempt))).min(max);
        let factor = 1.0 - self.jitter * random;
        let own = Duration::from_secs_f64(grown * factor);
        let asked_for = self.retry_after_cap.map_or(Duration::ZERO, |cap| asked_for.min(cap));
        let open_for = own.max(asked_for);
        let early = (self.ends_after_refusals > 0).then(|| Early {
            refusals: (f64::from(self.ends_after_refusals) * factor).ceil() as u32,
            from: now + SHORTEST.max(asked_for),
        });
        let refusals = match self.refused_before_trial {
            0 => 0,
            calls => calls.saturating_add(attempt),
        };
        let patience = PATIENCE.as_secs_f64() * PATIENCE_GROWS.powf(f64::from(attempt));
        let cooldown = Cooldown {
            until: now + open_for,
            early,
            refusals,
            patient_until: now + Duration::from_secs_f64(patience.min(MOST_PATIENCE.as_secs_f64())),
        };
        (cooldown, open_for)
    }

    pub(in crate::machine) fn check(self) -> Result<(), ConfigError> {
        ConfigError::check_duration("open_duration", self.initial)?;
        ConfigError::check_duration("open_duration.max", self.max)?;
        if self.max < self.initial {
            return Err(ConfigError::out_of_range(
                "open_duration.max",
                format!("{:?}", self.max),
                format!("at least the initial duration, {:?}", self.initial),
            ));
        }
        if !(self.factor >= 1.0 && self.factor <= 100.0) {
            return Err(ConfigError::out_of_range(
                "open_duration.factor",
                self.factor,
                "1 to 100",
            ));
        }
        if !(self.jitter >= 0.0 && self.jitter <= 1.0) {
            return Err(ConfigError::out_of_range("open_duration.jitter", self.jitter, "0 to 1"));
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

/// An opening: what an open breaker waits for before a trial.
#[derive(Clone, Copy, Debug)]
pub(in crate::machine) struct Cooldown {
    until: Timestamp,
    early: Option<Early>,
    /// Calls still to be refused before a trial.
    refusals: u32,
    /// From then on a trial doesn't wait for them any more.
    patient_until: Timestamp,
}

/// An early end of a cooldown: once so many more calls have been refused, but not before `from`.
#[derive(Clone, Copy, Debug)]
struct Early {
    refusals: u32,
    from: Timestamp,
}

impl Cooldown {
    /// A cooldown that only an operator ends.
    pub(in crate::machine) const ENDLESS: Self = Self {
        until: Timestamp::from_nanos(u64::MAX),
        early: None,
        refusals: 0,
        patient_until: Timestamp::START,
    };

    /// Returns a cooldown that is over.
    pub(in crate::machine) fn over(now: Timestamp) -> Self {
        Self {
            until: now,
            ..Self::ENDLESS
        }
    }

    /// Counts refused calls.
    pub(in crate::machine) fn record_rejections(&mut self, calls: u32) {
        self.refusals = self.refusals.saturating_sub(calls);
        if let Some(early) = &mut self.early {
            early.refusals = early.refusals.saturating_sub(calls);
        }
    }

    /// Returns until when calls are refused, however many there are.
    pub(in crate::machine) fn refuses_until(&self) -> Timestamp {
        self.early.map_or(self.until, |early| self.until.min(early.from))
    }

    /// Returns when its time is up, unless it ends early.
    pub(in crate::machine) fn until(&self) -> Timestamp {
        self.until
    }

    /// Returns whether its time is up. A trial may still wait for more refused calls.
    pub(in crate::machine) fn time_is_up(&self, now: Timestamp) -> bool {
        self.until <= now || self.early.is_some_and(|early| early.refusals == 0 && early.from <= now)
    }

    /// Returns whether the next call may be the trial.
    pub(in crate::machine) fn is_over(&self, now: Timestamp) -> bool {
        self.time_is_up(now) && (self.refusals == 0 || self.patient_until <= now)
    }
}
