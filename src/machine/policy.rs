use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    evidence::Evidence,
    invalid::ConfigError,
    reason::TripReason,
    settings::SlowAfter,
    window::{Counts, SlidingWindow},
};

/// When to trip: a pure question about the counts, asked after every recorded outcome.
///
/// ```
/// use tower_breaker::policy::{Counts, SlidingWindow, TripPolicy, TripReason};
///
/// /// Trips when one call in the last 50 took too long *and* three failed.
/// #[derive(Debug)]
/// struct SlowAndFailing;
///
/// impl TripPolicy for SlowAndFailing {
///     fn trip(&self, counts: &Counts) -> Option<TripReason> {
///         (counts.slow >= 1 && counts.failed >= 3)
///             .then(|| TripReason::custom("slow and failing", counts.failed as f64, 3.0))
///     }
///
///     fn window(&self) -> Option<SlidingWindow> {
///         Some(SlidingWindow::last_calls(50))
///     }
/// }
/// ```
pub trait TripPolicy: fmt::Debug + Send + Sync + 'static {
    /// Whether these counts are reason enough, and the reason.
    ///
    /// It runs under the breaker's lock: no I/O, no waiting. A policy that panics counts as one that didn't trip.
    fn trip(&self, counts: &Counts) -> Option<TripReason>;

    /// The window that the [`Counts`] are taken over. `None`, the default: all calls since the breaker closed.
    fn window(&self) -> Option<SlidingWindow> {
        None
    }

    /// This policy as a setting.
    fn into_policy(self) -> Policy
    where
        Self: Sized,
    {
        Policy::Custom(CustomPolicy {
            window: self.window(),
            policy: Arc::new(self),
        })
    }

    /// Trips when this policy does, or the other.
    fn or(self, other: impl Into<Policy>) -> Policy
    where
        Self: Sized,
    {
        self.into_policy().or(other)
    }
}

impl<P: TripPolicy> From<P> for Policy {
    fn from(policy: P) -> Self {
        policy.into_policy()
    }
}

/// A trip policy as a setting: a built-in one, a user's own, or any of several.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Policy {
    /// The default.
    Evidence(Evidence),
    /// By the rate of failures.
    FailureRate(FailureRate),
    /// By the rate of slow calls.
    SlowCallRate(SlowCallRate),
    /// By bad calls in a row.
    ConsecutiveFailures(ConsecutiveFailures),
    /// A user's own.
    Custom(CustomPolicy),
    /// Whichever trips first.
    AnyOf(Vec<Policy>),
}

/// A trip policy of a user's own, and the window that it asked for.
#[derive(Clone)]
pub struct CustomPolicy {
    policy: Arc<dyn TripPolicy>,
    // Asked for once: a user's code that changes its mind, or panics, can't do so under the breaker's lock.
    window: Option<SlidingWindow>,
}

impl CustomPolicy {
    /// See [`TripPolicy::trip`]; a policy that panics didn't trip.
    #[must_use]
    pub fn trip(&self, counts: &Counts) -> Option<TripReason> {
        // A user's panic must not unwind through the machine, half-way through a decision.
        catch_unwind(AssertUnwindSafe(|| self.policy.trip(counts)))
            .ok()
            .flatten()
    }
}

impl fmt::Debug for CustomPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy.fmt(f)
    }
}

impl Policy {
    /// Trips when this policy does, or the other.
    #[must_use]
    pub fn or(self, other: impl Into<Policy>) -> Self {
        let mut all = self.flattened();
        all.extend(other.into().flattened());
        Self::AnyOf(all)
    }

    /// The single policies that this one is made of.
    pub(super) fn flattened(self) -> Vec<Policy> {
        match self {
            Self::AnyOf(all) => all.into_iter().flat_map(Self::flattened).collect(),
            single => vec![single],
        }
    }

    pub(super) fn trip(&self, counts: &Counts) -> Option<TripReason> {
        match self {
            Self::Evidence(policy) => policy.trip(counts),
            Self::FailureRate(policy) => policy.trip(counts),
            Self::SlowCallRate(policy) => policy.trip(counts),
            Self::ConsecutiveFailures(policy) => policy.trip(counts),
            Self::Custom(custom) => custom.trip(counts),
            Self::AnyOf(all) => all.iter().find_map(|policy| policy.trip(counts)),
        }
    }

    pub(super) fn window(&self) -> Option<SlidingWindow> {
        match self {
            Self::FailureRate(policy) => policy.window(),
            Self::SlowCallRate(policy) => policy.window(),
            Self::Custom(custom) => custom.window,
            Self::Evidence(_) | Self::ConsecutiveFailures(_) | Self::AnyOf(_) => None,
        }
    }

    /// Whether so many calls are enough for a rate to mean anything.
    pub(super) fn has_enough(&self, calls: u64) -> bool {
        match self {
            Self::FailureRate(FailureRate(rate)) | Self::SlowCallRate(SlowCallRate(rate)) => {
                calls >= rate.minimum_calls()
            }
            _ => false,
        }
    }

    /// θ, for what recovery weighs: that of the first [`Evidence`], or its default.
    pub(super) fn evidence(&self) -> Evidence {
        self.find_evidence().unwrap_or_default()
    }

    fn find_evidence(&self) -> Option<Evidence> {
        match self {
            Self::Evidence(evidence) => Some(*evidence),
            Self::AnyOf(all) => all.iter().find_map(Self::find_evidence),
            _ => None,
        }
    }

    pub(super) fn check(&self, slow_after: SlowAfter, auto: SlowAfter) -> Result<(), ConfigError> {
        match self {
            Self::Evidence(policy) => policy.check(),
            Self::FailureRate(FailureRate(rate)) => rate.check("failure_rate"),
            Self::SlowCallRate(SlowCallRate(rate)) => {
                rate.check("slow_call_rate")?;
                if slow_after.with_auto_as(auto) == SlowAfter::Never {
                    return Err(ConfigError::new(
                        "slow_after",
                        if slow_after == SlowAfter::Never {
                            "never"
                        } else {
                            "unset"
                        },
                        "a duration or learned, since the slow-call rate asks which calls are slow,",
                    ));
                }
                Ok(())
            }
            Self::ConsecutiveFailures(policy) => policy.check(),
            Self::Custom(custom) => custom.window.map_or(Ok(()), |window| window.check("window")),
            Self::AnyOf(all) if all.is_empty() => Err(ConfigError::new("trip_when", "empty", "at least one policy")),
            Self::AnyOf(all) => all.iter().try_for_each(|policy| policy.check(slow_after, auto)),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::Evidence(Evidence::default())
    }
}

impl PartialEq for Policy {
    /// Two policies of a user's own are equal where they are the same object.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Evidence(a), Self::Evidence(b)) => a == b,
            (Self::FailureRate(a), Self::FailureRate(b)) => a == b,
            (Self::SlowCallRate(a), Self::SlowCallRate(b)) => a == b,
            (Self::ConsecutiveFailures(a), Self::ConsecutiveFailures(b)) => a == b,
            (Self::Custom(a), Self::Custom(b)) => Arc::ptr_eq(&a.policy, &b.policy),
            (Self::AnyOf(a), Self::AnyOf(b)) => a == b,
            _ => false,
        }
    }
}

/// What the two rate policies share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) threshold: f64,
    pub(crate) window: SlidingWindow,
    pub(crate) minimum_calls: Option<u64>,
}

impl Rate {
    const fn at_least(threshold: f64) -> Self {
        Self {
            threshold,
            window: SlidingWindow::Calls(100),
            minimum_calls: None,
        }
    }

    /// The window's calls; without end for a window of time.
    fn most_calls(self) -> u64 {
        match self.window {
            SlidingWindow::Calls(calls) => calls as u64,
            SlidingWindow::Time(_) => u64::MAX,
        }
    }

    fn minimum_calls(self) -> u64 {
        self.minimum_calls.unwrap_or_else(|| self.most_calls().min(20))
    }

    fn exceeded_by(self, rate: Option<f64>, calls: u64) -> Option<f64> {
        rate.filter(|rate| calls >= self.minimum_calls() && *rate >= self.threshold)
    }

    fn check(self, policy: &str) -> Result<(), ConfigError> {
        ConfigError::check_rate(format!("{policy}.threshold"), self.threshold)?;
        self.window.check(format!("{policy}.window"))?;
        if !(1..=self.most_calls()).contains(&self.minimum_calls()) {
            return Err(ConfigError::new(
                format!("{policy}.minimum_calls"),
                self.minimum_calls(),
                match self.window {
                    SlidingWindow::Calls(calls) => format!("1 to {calls} (the window's calls)"),
                    SlidingWindow::Time(_) => "1 or more".to_owned(),
                },
            ));
        }
        Ok(())
    }
}

macro_rules! rate_policy {
    ($(#[$doc:meta])* $name:ident, $rate:ident, $reason:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name(pub(crate) Rate);

        impl $name {
            /// Trips at this rate or above; above 0 and up to 1.
            #[must_use]
            pub const fn at_least(threshold: f64) -> Self {
                Self(Rate::at_least(threshold))
            }

            /// The calls that the rate is taken over. Default: the last 100.
            #[must_use]
            pub const fn over(self, window: SlidingWindow) -> Self {
                Self(Rate { window, ..self.0 })
            }

            /// How many calls there must be before the rate means anything. At least 1, at most the window's. Default: 20, or the window's calls where those are fewer.
            #[must_use]
            pub const fn minimum_calls(self, calls: u64) -> Self {
                Self(Rate { minimum_calls: Some(calls), ..self.0 })
            }
        }

        impl TripPolicy for $name {
            fn trip(&self, counts: &Counts) -> Option<TripReason> {
                let rate = self.0.exceeded_by(counts.$rate(), counts.calls)?;
                Some(TripReason::$reason { rate, threshold: self.0.threshold, calls: counts.calls })
            }

            fn window(&self) -> Option<SlidingWindow> {
                Some(self.0.window)
            }

            fn into_policy(self) -> Policy {
                Policy::$name(self)
            }
        }
    };
}

rate_policy! {
    /// Trips when failed calls ÷ calls in a sliding window reaches a threshold.
    ///
    /// It sees failures only: for slow calls, add [`SlowCallRate`] with [`or`](TripPolicy::or).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_breaker::policy::{FailureRate, SlidingWindow, SlowCallRate, TripPolicy};
    ///
    /// let last_minute = SlidingWindow::last(Duration::from_secs(60));
    /// let policy = FailureRate::at_least(0.5)
    ///     .over(last_minute)
    ///     .minimum_calls(10)
    ///     .or(SlowCallRate::at_least(0.8).over(last_minute));
    /// ```
    FailureRate, failure_rate, FailureRate
}

rate_policy! {
    /// Trips when slow calls ÷ calls in a sliding window reaches a threshold. Needs a `slow_after` other than
    /// [`Never`](super::SlowAfter::Never).
    SlowCallRate, slow_call_rate, SlowCallRate
}

/// Trips when this many calls in a row were bad: failed, or slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsecutiveFailures(pub(crate) u64);

impl ConsecutiveFailures {
    /// Trips at the `count`th bad call in a row; at least 1.
    #[must_use]
    pub const fn of(count: u64) -> Self {
        Self(count)
    }

    fn check(self) -> Result<(), ConfigError> {
        if self.0 == 0 {
            return Err(ConfigError::new("consecutive_failures", 0, "1 or more"));
        }
        Ok(())
    }
}

impl TripPolicy for ConsecutiveFailures {
    fn trip(&self, counts: &Counts) -> Option<TripReason> {
        (counts.bad_in_a_row >= self.0).then_some(TripReason::ConsecutiveFailures {
            count: counts.bad_in_a_row,
            threshold: self.0,
        })
    }

    fn into_policy(self) -> Policy {
        Policy::ConsecutiveFailures(self)
    }
}
