//! A finished check of an instance, and why it failed.

use std::{fmt, sync::Arc, time::Duration};

use crate::{error::shortened, machine::Timestamp};

/// A check of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// When the check began, by the breaker's clock.
    pub at: Timestamp,
    /// How long the check took.
    pub latency: Duration,
    /// Why the check failed, or `None` if it passed.
    pub failure: Option<CheckFailure>,
    /// Whether the check was a trial call of the breaker.
    pub was_trial: bool,
}

/// A reason why a check failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckFailure {
    /// The check returned this error, of which the first 200 bytes are kept.
    Error(Arc<str>),
    /// The check didn't return in time.
    TimedOut,
    /// The check panicked.
    Panicked,
}

impl CheckFailure {
    pub(super) fn error(error: &dyn fmt::Display) -> Self {
        Self::Error(shortened(error))
    }
}

impl fmt::Display for CheckFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => write!(f, "{}", error.escape_debug()),
            Self::TimedOut => f.write_str("it didn't answer in time"),
            Self::Panicked => f.write_str("the check panicked"),
        }
    }
}
