use std::{error::Error, fmt, sync::Arc, time::Duration};

use crate::machine::Rough;

/// The breaker refused the call: the primary never saw it.
///
/// Behind a `BoxError` it is found by downcasting:
///
/// ```
/// use tower::BoxError;
/// use tower_breaker::CircuitOpen;
///
/// fn is_refused(error: &BoxError) -> bool {
///     error.downcast_ref::<CircuitOpen>().is_some()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitOpen {
    breaker: Arc<str>,
    retry_after: Option<Duration>,
}

impl CircuitOpen {
    pub(crate) fn new(breaker: Arc<str>, retry_after: Option<Duration>) -> Self {
        Self { breaker, retry_after }
    }

    /// The name of the breaker.
    #[must_use]
    pub fn breaker(&self) -> &str {
        &self.breaker
    }

    /// When to come back; `None` where an operator forced the breaker open, and only they can tell.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the circuit breaker \"{}\" is open", self.breaker.escape_debug())?;
        match self.retry_after {
            Some(after) => write!(f, ", try again in {}", Rough(after)),
            None => Ok(()),
        }
    }
}

impl Error for CircuitOpen {}
