//! [`CircuitOpen`], the error of a refused call: small, since every refused call makes one.

mod breaker_name;

use std::{error::Error, fmt, sync::Arc, time::Duration};

pub(crate) use self::breaker_name::BreakerName;
use crate::machine::{HumanDuration, Timestamp};

/// An error that says that the breaker refused a call: the primary never saw it.
///
/// Downcast a `BoxError` to find it:
///
/// ```
/// use tower::BoxError;
/// use tower_breaker::CircuitOpen;
///
/// fn is_refused(error: &BoxError) -> bool {
///     error.downcast_ref::<CircuitOpen>().is_some()
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CircuitOpen {
    breaker: BreakerName,
    /// In nanoseconds, or [`UNKNOWN`].
    retry_after: u64,
}

/// The value of `retry_after` where the time to come back isn't known.
const UNKNOWN: u64 = u64::MAX;

impl CircuitOpen {
    pub(crate) fn new(breaker: BreakerName, retry_after: Option<Duration>) -> Self {
        let latest = Timestamp::from_nanos(UNKNOWN - 1);
        let retry_after = retry_after.map(|after| Timestamp::from(after).min(latest));
        Self {
            breaker,
            retry_after: retry_after.map_or(UNKNOWN, Timestamp::as_nanos),
        }
    }

    /// Creates the error of a call that may come back at `retry_at`. [`Timestamp::END`] means that
    /// the time isn't known.
    #[inline(always)]
    pub(crate) fn until(breaker: BreakerName, retry_at: Timestamp, now: Timestamp) -> Self {
        Self {
            breaker,
            retry_after: match retry_at {
                Timestamp::END => UNKNOWN,
                at => at.as_nanos().saturating_sub(now.as_nanos()),
            },
        }
    }

    /// Moves the error out of its place, part by part, as it was written: see
    /// [`BreakerName::take`].
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Self {
        Self {
            breaker: self.breaker.take(),
            retry_after: self.retry_after,
        }
    }

    /// Returns the name of the breaker.
    #[must_use]
    pub fn breaker(&self) -> &str {
        self.breaker.as_str()
    }

    /// Returns after what time to come back, or `None` if an operator forced the breaker open
    /// without an expiry.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        (self.retry_after != UNKNOWN).then(|| Duration::from_nanos(self.retry_after))
    }
}

impl fmt::Debug for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitOpen")
            .field("breaker", &self.breaker)
            .field("retry_after", &self.retry_after())
            .finish()
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the circuit breaker \"{}\" is open", self.breaker().escape_debug())?;
        match self.retry_after() {
            Some(after) => write!(f, ", try again in {}", HumanDuration(after)),
            None => Ok(()),
        }
    }
}

impl Error for CircuitOpen {}

/// Returns the text of an error, cut to its first 200 bytes at a boundary of characters.
pub(crate) fn shortened(error: &dyn fmt::Display) -> Arc<str> {
    const MAX_BYTES: usize = 200;
    let mut text = error.to_string();
    let end = (0..=MAX_BYTES.min(text.len())).rfind(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_when_to_come_back_where_that_is_known() {
        let name = BreakerName::new("payments");
        let later = Timestamp::from_nanos(1_500_000_000);
        let open = CircuitOpen::until(name.clone(), later, Timestamp::START);
        assert_eq!(open, CircuitOpen::new(name.clone(), Some(Duration::from_millis(1500))));
        assert_eq!(
            open.to_string(),
            "the circuit breaker \"payments\" is open, try again in 1.5 s"
        );
        let debug = r#"CircuitOpen { breaker: "payments", retry_after: Some(1.5s) }"#;
        assert_eq!(format!("{open:?}"), debug);
        let unknown = CircuitOpen::until(name.clone(), Timestamp::END, later);
        assert_eq!(unknown, CircuitOpen::new(name.clone(), None));
        assert_eq!(unknown.to_string(), "the circuit breaker \"payments\" is open");
        // A time too long to store isn't the same as an unknown one.
        assert!(CircuitOpen::new(name, Some(Duration::MAX)).retry_after().is_some());
    }
}
