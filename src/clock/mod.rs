//! The clock of a breaker: where it takes the time from.
//!
//! A [`Clock`] returns the time since a start of its own. The breaker's shared handle reads it, and
//! passes the time to the pure machine, which reads no clock. The default is tokio's, which a test
//! may pause.

#[cfg(feature = "fast-clock")]
mod fast;

use std::{fmt, time::Duration};

#[cfg(feature = "fast-clock")]
pub use self::fast::FastClock;
pub use crate::machine::Timestamp;

/// A source of time for a breaker.
///
/// The default is tokio's clock, so a test under `#[tokio::test(start_paused = true)]` drives the
/// breaker too. A clock that stands still or goes back does no harm: the breaker's time then stands
/// still.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the time since a moment that never changes, such as when this clock was made.
    fn now(&self) -> Duration;
}

/// A clock that reads tokio's time, from when it was made.
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
