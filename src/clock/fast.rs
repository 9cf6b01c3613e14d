use std::time::{Duration, Instant};

use super::{Clock, TokioClock};

/// A clock that reads the processor's timestamp counter, through the crate quanta: about 40 ns less a call, where calls are timed.
///
/// The first one in a process takes up to 0.2 s to calibrate. Where there is no such counter, or none to be relied on, quanta asks
/// the operating system. One that is made under tokio's paused clock (as in `#[tokio::test(start_paused = true)]`) follows that
/// one instead, so that a test drives the breaker.
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

/// A clock that runs has moved after this long.
const MOVES_WITHIN: Duration = Duration::from_micros(10);

impl FastClock {
    /// A clock that begins now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            source: if tokio_stands_still() {
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

#[expect(clippy::disallowed_methods, reason = "tokio's clock is what is in question")]
fn tokio_stands_still() -> bool {
    let (start, tokios) = (Instant::now(), TokioClock::new());
    while start.elapsed() < MOVES_WITHIN {}
    tokios.now().is_zero()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_gives_way_to_a_clock_that_is_paused() {
        let clock = FastClock::new();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(clock.now(), Duration::from_secs(60));
    }

    #[tokio::test]
    async fn it_runs_where_time_does() {
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
