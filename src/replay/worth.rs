//! What an answer of the backup is worth, from 0 to 1, and the tolerated rate that follows from it.

use crate::machine::ConfigError;

/// Returns the tolerated rate of bad calls, θ = min(0.5, 1 − worth), and at least 0.001.
///
/// At this rate of bad calls the backup's answers are as good as the primary's. The upper bound
/// keeps a breaker with a poor backup sensitive enough to protect an overloaded primary.
pub(super) fn tolerated_rate(worth: f64) -> f64 {
    (1.0 - worth).clamp(0.001, 0.5)
}

/// Checks that a worth is from 0 to 1.
///
/// # Errors
///
/// Returns an error that names `worth` if it is out of range.
pub(super) fn check_worth(worth: f64) -> Result<(), ConfigError> {
    if (0.0..=1.0).contains(&worth) {
        return Ok(());
    }
    Err(ConfigError::out_of_range("worth", worth, "a number from 0 to 1"))
}
