//! The fast clock: the processor's timestamp counter, unless tokio's clock is paused.

use std::time::{Duration, Instant};

use super::{Clock, TokioClock};

/// A clock that reads the processor's timestamp counter, through the crate quanta. It saves about
/// 40 ns a timed call.
///
/// The first one in a process takes up to 0.2 s to calibrate. If the processor has no reliable
/// counter, quanta asks the operating system. A clock that is made under tokio's paused clock (as
/// in `#[tokio::test(start_paused = true)]`) follows that one instead, so that a test drives the
/// breaker.
///
/// ```
/// use tower_breaker::{CircuitBreakerLayer, clock::FastClock};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let layer = CircuitBreakerLayer::builder().clock(FastClock::new()).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FastClock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Counter { start: quanta::Instant },
    Paused(TokioClock),
}

/// A clock that isn't paused has moved on after this long.
const MOVES_WITHIN: Duration = Duration::from_micros(10);

impl FastClock {
    /// Makes a clock that starts at zero now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            source: if is_tokio_paused() {
                Source::Paused(TokioClock::new())
            } else {
                Source::Counter {
                    start: quanta::Instant::now(),
                }
            },
        }
    }
}

impl Default for FastClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FastClock {
    fn now(&self) -> Duration {
        match &self.source {
            Source::Counter { start } => start.elapsed(),
            Source::Paused(clock) => clock.now(),
        }
    }
}

/// Returns whether tokio's clock stands still while the system's clock runs.
#[expect(clippy::disallowed_methods, reason = "tokio's clock can't measure itself")]
fn is_tokio_paused() -> bool {
    let (start, tokio_clock) = (Instant::now(), TokioClock::new());
    while start.elapsed() < MOVES_WITHIN {}
    tokio_clock.now().is_zero()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_follows_a_paused_clock() {
        let clock = FastClock::new();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(clock.now(), Duration::from_secs(60));
    }

    #[tokio::test]
    async fn it_runs_while_time_does() {
        let clock = FastClock::new();
        assert!(matches!(clock.source, Source::Counter { .. }));
        let (before, other) = (clock.now(), TokioClock::new());
        while other.now() < Duration::from_millis(2) {}
        let passed = clock.now() - before;
        assert!(
            passed >= Duration::from_micros(1900) && passed < Duration::from_secs(60),
            "{passed:?}"
        );
    }
}
