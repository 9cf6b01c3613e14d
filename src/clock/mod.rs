//! Where a breaker takes the time from.

#[cfg(feature = "fast-clock")]
mod fast;

use std::{fmt, time::Duration};

#[cfg(feature = "fast-clock")]
pub use self::fast::FastClock;
pub use crate::machine::Timestamp;

/// Where a breaker's time comes from.
///
/// The default is tokio's clock, so a test under `#[tokio::test(start_paused = true)]` drives the breaker too. A clock
/// that stands still or goes back does no harm: the breaker's time then stands still.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time since a moment that never changes.
    fn now(&self) -> Duration;
}

/// tokio's clock, from when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokioClock {
    start: tokio::time::Instant,
}

impl TokioClock {
    pub(crate) fn new() -> Self {
        Self {
            start: tokio::time::Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}
