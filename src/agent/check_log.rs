//! The log of an instance's checks: counts of all, and the latest in full.
//!
//! The task that checks the instance writes it; the agent reads it for its users.

use std::collections::VecDeque;

use super::check::Check;

/// A log of an instance's checks.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckLog {
    pub(super) checks: u64,
    pub(super) failed: u64,
    pub(super) failed_in_a_row: u64,
    /// The last [`LENGTH`](Self::LENGTH) checks, oldest first.
    pub(super) recent: VecDeque<Check>,
}

impl CheckLog {
    /// The number of checks that are kept in full.
    pub(super) const LENGTH: usize = 60;

    pub(super) fn push(&mut self, check: Check) {
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
