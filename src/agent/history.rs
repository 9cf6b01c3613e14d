use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use crate::{error::shortened, machine::Timestamp};

/// One look at an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// When it was begun, by the breaker's clock.
    pub at: Timestamp,
    /// How long it took.
    pub latency: Duration,
    /// What was wrong, if anything was.
    pub failure: Option<CheckFailure>,
    /// Whether it was a call of the breaker's trial.
    pub was_trial: bool,
}

/// What was wrong with an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckFailure {
    /// The check answered with an error: this one, in its first 200 bytes.
    Error(Arc<str>),
    /// It didn't answer in time.
    TimedOut,
    /// It panicked.
    Panicked,
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

impl CheckFailure {
    pub(super) fn error(error: &dyn fmt::Display) -> Self {
        Self::Error(shortened(error))
    }
}

/// The checks of one instance.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) checks: u64,
    pub(super) failed: u64,
    pub(super) failed_in_a_row: u64,
    /// Oldest first.
    pub(super) recent: VecDeque<Check>,
}

impl History {
    /// So many checks are kept.
    pub(super) const LENGTH: usize = 60;

    pub(super) fn note(&mut self, check: Check) {
        self.checks += 1;
        if check.failure.is_some() {
            self.failed += 1;
            self.failed_in_a_row += 1;
        } else {
            self.failed_in_a_row = 0;
        }
        if self.recent.len() == Self::LENGTH {
            self.recent.pop_front();
        }
        self.recent.push_back(check);
    }
}
