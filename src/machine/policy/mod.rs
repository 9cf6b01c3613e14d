//! Trip policies: when the evidence against the primary is enough.
//!
//! A policy is a pure question about [`Counts`]. Each built-in one has a file of its own, which
//! says what its settings mean and names no other policy; this file says what a policy is, and how
//! several combine. `states` keeps what the policies of a closed breaker are asked about: a failure
//! bucket, a window, or the plain sums.

pub(in crate::machine) mod bucket;
pub(in crate::machine) mod consecutive;
pub(in crate::machine) mod counts;
pub(in crate::machine) mod evidence;
pub(crate) mod rate;
pub(in crate::machine) mod reading;
pub(in crate::machine) mod reason;
pub(in crate::machine) mod states;
pub(in crate::machine) mod window;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::Arc,
};

use self::{
    consecutive::ConsecutiveFailures,
    counts::Counts,
    evidence::Evidence,
    rate::{FailureRate, SlowCallRate},
    reason::TripReason,
    window::SlidingWindow,
};
use super::error::ConfigError;

/// A policy that says when to trip: a pure question about the counts, asked after every recorded
/// outcome.
///
/// A breaker with a policy of your own takes its lock at each call, because such a policy has to be
/// asked after each outcome. The built-in policies allow the fast path.
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
    /// Returns the reason to trip, if these counts are enough for one.
    ///
    /// It runs under the breaker's lock: no I/O, no waiting. A policy that panics counts as one
    /// that didn't trip.
    fn trip(&self, counts: &Counts) -> Option<TripReason>;

    /// Returns the window that the [`Counts`] are taken over. `None`, the default: all calls since
    /// the breaker closed.
    fn window(&self) -> Option<SlidingWindow> {
        None
    }

    /// Returns this policy as a setting.
    fn into_policy(self) -> Policy
    where
        Self: Sized,
    {
        Policy::single(Rule::Custom(CustomPolicy {
            window: self.window(),
            policy: Arc::new(self),
        }))
    }

    /// Combines two policies: the breaker trips when this one does, or the other.
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

macro_rules! built_in {
    ($($name:ident $(over $rate:tt)?),*) => {
        $(impl TripPolicy for $name {
            fn trip(&self, counts: &Counts) -> Option<TripReason> {
                self.reason_to_trip(counts)
            }

            $(fn window(&self) -> Option<SlidingWindow> {
                Some(self.$rate.window)
            })?

            fn into_policy(self) -> Policy {
                Policy::single(Rule::$name(self))
            }
        })*
    };
}

built_in!(Evidence, FailureRate over 0, SlowCallRate over 0, ConsecutiveFailures);

/// A trip policy as a setting: a built-in one, a user's own, or any of several.
///
/// It is made [from](From) a [`TripPolicy`], and combined with [`or`](Self::or), so that there is
/// always at least one policy in it. Default: [`Evidence`].
#[derive(Clone, PartialEq)]
pub struct Policy(Rules);

#[derive(Clone, PartialEq)]
enum Rules {
    Single(Rule),
    /// Two or more, in the order in which they were combined.
    AnyOf(Vec<Rule>),
}

/// A single trip policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    Evidence(Evidence),
    FailureRate(FailureRate),
    SlowCallRate(SlowCallRate),
    ConsecutiveFailures(ConsecutiveFailures),
    Custom(CustomPolicy),
}

impl Policy {
    pub(in crate::machine) const fn single(rule: Rule) -> Self {
        Self(Rules::Single(rule))
    }

    /// Combines two policies: the breaker trips when this one does, or the other.
    #[must_use]
    pub fn or(self, other: impl Into<Policy>) -> Self {
        let mut rules = self.into_rules();
        rules.extend(other.into().into_rules());
        Self(Rules::AnyOf(rules))
    }

    /// Returns the single policies that this one combines: itself, where it is one.
    pub fn parts(&self) -> impl Iterator<Item = Policy> {
        self.rules().iter().cloned().map(Self::single)
    }

    /// Returns what the policy goes by, in a few words that never vary: those of
    /// [`TripReason::name`], "custom" for a user's own, and "any of" for a combination.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Rules::Single(rule) => rule.name(),
            Rules::AnyOf(_) => "any of",
        }
    }

    /// Returns the single policies, of which there is at least one.
    pub(crate) fn rules(&self) -> &[Rule] {
        match &self.0 {
            Rules::Single(rule) => slice::from_ref(rule),
            Rules::AnyOf(rules) => rules,
        }
    }

    fn into_rules(self) -> Vec<Rule> {
        match self.0 {
            Rules::Single(rule) => vec![rule],
            Rules::AnyOf(rules) => rules,
        }
    }

    /// Returns the evidence that recovery weighs calls by: the first [`Evidence`], or the default.
    pub(super) fn evidence(&self) -> Evidence {
        let evidence = |rule: &Rule| match rule {
            Rule::Evidence(evidence) => Some(*evidence),
            _ => None,
        };
        self.rules().iter().find_map(evidence).unwrap_or_default()
    }

    /// Checks each policy. `check_slow_after` is called for a policy that asks which calls are
    /// slow.
    pub(super) fn check(&self, check_slow_after: impl Fn() -> Result<(), ConfigError>) -> Result<(), ConfigError> {
        self.rules().iter().try_for_each(|rule| match rule {
            Rule::Evidence(policy) => policy.check(),
            Rule::FailureRate(policy) => policy.check(),
            Rule::SlowCallRate(policy) => policy.check().and_then(|()| check_slow_after()),
            Rule::ConsecutiveFailures(policy) => policy.check(),
            Rule::Custom(custom) => custom.window.map_or(Ok(()), |window| window.check("window")),
        })
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::single(Rule::Evidence(Evidence::default()))
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rules::Single(rule) => rule.fmt(f),
            Rules::AnyOf(rules) => f.debug_tuple("AnyOf").field(rules).finish(),
        }
    }
}

impl Rule {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Evidence(_) => "evidence",
            Self::FailureRate(_) => "failure rate",
            Self::SlowCallRate(_) => "slow-call rate",
            Self::ConsecutiveFailures(_) => "consecutive failures",
            Self::Custom(_) => "custom",
        }
    }

    fn trip(&self, counts: &Counts) -> Option<TripReason> {
        match self {
            Self::Evidence(policy) => policy.reason_to_trip(counts),
            Self::FailureRate(policy) => policy.reason_to_trip(counts),
            Self::SlowCallRate(policy) => policy.reason_to_trip(counts),
            Self::ConsecutiveFailures(policy) => policy.reason_to_trip(counts),
            Self::Custom(custom) => custom.trip(counts),
        }
    }

    fn window(&self) -> Option<SlidingWindow> {
        match self {
            Self::FailureRate(FailureRate(rate)) | Self::SlowCallRate(SlowCallRate(rate)) => Some(rate.window),
            Self::Custom(custom) => custom.window,
            Self::Evidence(_) | Self::ConsecutiveFailures(_) => None,
        }
    }

    /// Returns whether so many calls are enough for a rate to mean anything.
    fn has_enough(&self, calls: u64) -> bool {
        match self {
            Self::FailureRate(FailureRate(rate)) | Self::SlowCallRate(SlowCallRate(rate)) => rate.has_enough(calls),
            _ => false,
        }
    }
}

/// A trip policy of a user's own, and the window that it asked for.
#[derive(Clone)]
pub(crate) struct CustomPolicy {
    policy: Arc<dyn TripPolicy>,
    // Asked for once: a user's code that changes its mind, or panics, can't do so under the lock.
    window: Option<SlidingWindow>,
}

impl CustomPolicy {
    fn trip(&self, counts: &Counts) -> Option<TripReason> {
        // A user's panic must not unwind through the machine, half-way through a decision.
        catch_unwind(AssertUnwindSafe(|| self.policy.trip(counts)))
            .ok()
            .flatten()
    }
}

impl PartialEq for CustomPolicy {
    /// Returns whether the two are the same object.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.policy, &other.policy)
    }
}

impl fmt::Debug for CustomPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy.fmt(f)
    }
}
