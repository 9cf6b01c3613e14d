//! What would this breaker have done yesterday? Recording what became of each call, replaying it under another configuration, and
//! parameters that a recording suggests.
//!
//! A [`Trace`] is a list of calls: from a [`Recorder`] on a live breaker, or from any log. A [`Replay`] shows it to a breaker, and reports
//! trips, the calls that would have been diverted, and what that would have been worth. [`Suggest`] finds parameters in it, and says why.

mod error;
mod playback;
mod recorder;
mod report;
mod suggest;
mod trace;
mod verdict;

pub use self::{
    error::TraceError,
    playback::{Fate, Replay},
    recorder::Recorder,
    report::{Change, Report, Trip},
    suggest::{Comparison, Suggest, Suggestion},
    trace::{Call, Latencies, Trace},
    verdict::{Verdict, Verdicts},
};
use crate::machine::ConfigError;

/// θ = min(0.5, 1 − worth): at this rate of bad calls the backup is as good as the primary; and where it is poor, a breaker should still
/// be sensitive enough to protect an overloaded primary.
fn tolerated_rate(worth: f64) -> f64 {
    (1.0 - worth).clamp(0.001, 0.5)
}

fn check_worth(worth: f64) -> Result<(), ConfigError> {
    if (0.0..=1.0).contains(&worth) {
        return Ok(());
    }
    Err(ConfigError::out_of_range("worth", worth, "a number from 0 to 1"))
}
