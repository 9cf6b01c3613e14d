//! The policy that counts bad calls in a row. It needs no window.

use super::{counts::Counts, reason::TripReason};
use crate::machine::error::ConfigError;

/// A policy that trips when this many calls in a row were bad: failed, or slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsecutiveFailures(pub(crate) u64);

impl ConsecutiveFailures {
    /// Trips at the `count`th bad call in a row; at least 1.
    #[must_use]
    pub const fn of(count: u64) -> Self {
        Self(count)
    }

    pub(super) fn reason_to_trip(self, counts: &Counts) -> Option<TripReason> {
        (counts.bad_in_a_row >= self.0).then_some(TripReason::ConsecutiveFailures {
            count: counts.bad_in_a_row,
            threshold: self.0,
        })
    }

    pub(super) fn check(self) -> Result<(), ConfigError> {
        if self.0 == 0 {
            return Err(ConfigError::out_of_range("consecutive_failures", 0, "1 or more"));
        }
        Ok(())
    }
}
