//! Recovery: how long the breaker stays open, and how access to the primary returns.
//!
//! The settings are [`Recovery`], here, and [`OpenDuration`](open_duration::OpenDuration).
//! [`HalfOpen`](half_open::HalfOpen) is the state that they lead through: it decides which calls
//! are let through, and when half-open ends.

mod error_diffusion;
pub(in crate::machine) mod half_open;
pub(in crate::machine) mod open_duration;
mod reservation;

use std::{fmt::Write as _, time::Duration};

use super::error::ConfigError;

/// A setting that says how access returns once the breaker has been open for long enough.
///
/// [`gradual`](Self::gradual), the default: one probe; then 20, 40, 80 and 100 % of the calls,
/// spread evenly, the rest refused. A stage is passed on 5 good calls in a row and 0.25 s, or on 1
/// s with a good call and no bad ones outstanding; the last one, with all calls, lasts 2 s.
/// Evidence of max(3, 2·√(a·n)) (see [`Evidence`](super::Evidence)) halves the share, and reopens
/// the breaker at the lowest.
///
/// [`permitted_calls`](Self::permitted_calls) is the classical form.
///
/// Either way half-open ends: a call that never comes back counts as bad when its time is up, and
/// ten calls in a row (over a second or more) that were ignored or cancelled reopen the breaker.
///
/// ```
/// use tower_breaker::recovery::Recovery;
///
/// let careful = Recovery::gradual().stages([1, 5, 25, 100]).successes(20);
/// let classical = Recovery::permitted_calls(10).bad_rate(0.3);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    pub(crate) form: Form,
    pub(crate) probe_timeout: Option<Duration>,
    /// A setting that belongs to the other form.
    misplaced: Option<&'static str>,
}

/// A way in which access returns: there are two.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    Gradual(Gradual),
    PermittedCalls { calls: u32, bad_rate: f64 },
}

/// How many times as long as the others the last stage lasts. All calls flow in it, and less
/// evidence of a relapse is enough than once the breaker is closed.
const PROBATION: u32 = 8;

/// A gradual recovery's settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gradual {
    pub(crate) stages: Vec<u8>,
    pub(crate) successes: u32,
    pub(crate) stage_duration: Duration,
    pub(crate) net_failures: f64,
}

impl Default for Gradual {
    fn default() -> Self {
        Self {
            stages: vec![20, 40, 80, 100],
            successes: 5,
            stage_duration: Duration::from_millis(250),
            net_failures: 3.0,
        }
    }
}

impl Gradual {
    fn check(&self) -> Result<(), ConfigError> {
        let rising = self.stages.is_sorted_by(|a, b| a < b);
        if !rising || self.stages.first().is_none_or(|first| *first == 0) || self.stages.last() != Some(&100) {
            let mut shown = String::new();
            for stage in &self.stages {
                let comma = if shown.is_empty() { "" } else { ", " };
                let _ = write!(shown, "{comma}{stage}");
            }
            return Err(ConfigError::out_of_range(
                "recovery.stages",
                format!("[{shown}]"),
                "a list of percentages that starts above 0, rises, and ends at 100",
            ));
        }
        if self.successes == 0 {
            return Err(ConfigError::out_of_range("recovery.successes", 0, "1 or more"));
        }
        ConfigError::check_duration("recovery.stage_duration", self.stage_duration)?;
        if !(self.net_failures >= 1.0 && self.net_failures <= 1e9) {
            return Err(ConfigError::out_of_range(
                "recovery.net_failures",
                self.net_failures,
                "a number from 1 to 1e9",
            ));
        }
        Ok(())
    }

    /// Returns how long a stage lasts at least, and after how long a single good call passes it.
    fn durations(&self, stage: usize) -> (Duration, Duration) {
        let enough = self.stage_duration.saturating_mul(4);
        if stage + 1 < self.stages.len() {
            (self.stage_duration, enough)
        } else {
            let probation = self.stage_duration.saturating_mul(PROBATION);
            (probation, probation)
        }
    }

    /// Returns the largest stage at or below half of the share of `stage`.
    fn halved(&self, stage: usize) -> Option<usize> {
        let half = self.stages[stage] / 2;
        self.stages.iter().rposition(|share| *share <= half)
    }
}

impl Recovery {
    /// Lets one probe through, then rising shares of the calls.
    #[must_use]
    pub fn gradual() -> Self {
        Self {
            form: Form::Gradual(Gradual::default()),
            probe_timeout: None,
            misplaced: None,
        }
    }

    /// Lets so many calls through, then decides: the classical form. The breaker closes, or reopens
    /// where half of them or more were bad.
    ///
    /// The decision doesn't wait for calls that can no longer change it. From 1 to 1,000,000 calls.
    #[must_use]
    pub fn permitted_calls(calls: u32) -> Self {
        Self {
            form: Form::PermittedCalls { calls, bad_rate: 0.5 },
            probe_timeout: None,
            misplaced: None,
        }
    }

    /// Sets the rate of bad calls that reopens the breaker, for
    /// [`permitted_calls`](Self::permitted_calls); above 0 and up to 1. Default: 0.5.
    #[must_use]
    pub fn bad_rate(mut self, rate: f64) -> Self {
        match &mut self.form {
            Form::PermittedCalls { bad_rate, .. } => *bad_rate = rate,
            Form::Gradual(_) => self.misplaced = Some("recovery.bad_rate"),
        }
        self
    }

    /// Sets the shares of the calls, in percent, after the probe: rising, the last one 100.
    /// Default: 20, 40, 80, 100.
    #[must_use]
    pub fn stages(self, percents: impl Into<Vec<u8>>) -> Self {
        let stages = percents.into();
        self.with_gradual("recovery.stages", |gradual| gradual.stages = stages)
    }

    /// Sets how many good calls in a row pass a stage, once it has lasted its
    /// [`stage_duration`](Self::stage_duration). Default: 5.
    #[must_use]
    pub fn successes(self, calls: u32) -> Self {
        self.with_gradual("recovery.successes", |gradual| gradual.successes = calls)
    }

    /// Sets how long a stage lasts at least; the last one, eight times as long. After four times as
    /// long (the last one, after eight), a single good call passes it. Default: 250 ms.
    #[must_use]
    pub fn stage_duration(self, duration: Duration) -> Self {
        self.with_gradual("recovery.stage_duration", |gradual| gradual.stage_duration = duration)
    }

    /// Sets how far bad calls may outweigh good ones in a stage, at the least, before it steps
    /// back. At least 1. Default: 3.
    #[must_use]
    pub fn net_failures(self, excess: f64) -> Self {
        self.with_gradual("recovery.net_failures", |gradual| gradual.net_failures = excess)
    }

    /// Sets after how long a half-open call that hasn't come back counts as bad, where no
    /// `slow_after` says so earlier, and how long a reservation is kept.
    ///
    /// Default: max(1 s, 2 × `slow_after`). With no `slow_after`, or none learned yet: 1 s × 1.5ᵏ
    /// up to 60 s, k being the number of failed attempts, so that a slow but healthy service does
    /// come back.
    #[must_use]
    pub fn probe_timeout(mut self, timeout: Duration) -> Self {
        self.probe_timeout = Some(timeout);
        self
    }

    fn with_gradual(mut self, field: &'static str, change: impl FnOnce(&mut Gradual)) -> Self {
        match &mut self.form {
            Form::Gradual(gradual) => change(gradual),
            Form::PermittedCalls { .. } => self.misplaced = Some(field),
        }
        self
    }

    /// Returns how long a half-open call or a reservation may take, at attempt number `attempt`:
    /// the
    /// [`probe_timeout`](Self::probe_timeout), or its default.
    pub(super) fn time_limit(&self, slow_after: Option<Duration>, attempt: u32) -> Duration {
        match (self.probe_timeout, slow_after) {
            (Some(timeout), _) => timeout,
            (None, Some(slow_after)) => slow_after.saturating_mul(2).max(Duration::from_secs(1)),
            // Every half-open call asks this. The first attempt, which is the common one, needs no
            // power.
            (None, None) if attempt == 0 => Duration::from_secs(1),
            (None, None) => Duration::from_secs_f64(1.5_f64.powf(f64::from(attempt)).min(60.0)),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(field) = self.misplaced {
            return Err(match self.form {
                Form::Gradual(_) => ConfigError::requires(field, "permitted_calls"),
                Form::PermittedCalls { .. } => ConfigError::conflicts(field, "permitted_calls"),
            });
        }
        match &self.form {
            Form::Gradual(gradual) => gradual.check()?,
            Form::PermittedCalls { calls, bad_rate } => {
                if !(1..=1_000_000).contains(calls) {
                    return Err(ConfigError::out_of_range(
                        "recovery.permitted_calls",
                        calls,
                        "1 to 1000000 calls",
                    ));
                }
                ConfigError::check_rate("recovery.bad_rate", *bad_rate)?;
            }
        }
        match self.probe_timeout {
            Some(timeout) => ConfigError::check_duration("recovery.probe_timeout", timeout),
            None => Ok(()),
        }
    }
}

impl Default for Recovery {
    fn default() -> Self {
        Self::gradual()
    }
}
