use std::{fmt, sync::Arc};

use crate::machine::{Timestamp, Transition};

/// Something that changed, at which breaker, and when.
///
/// Observers on several threads may see events out of order; [`sequence`](Self::sequence) is their order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// The generation of calls that began with it, or that it happened in.
    pub generation: u64,
    /// Counts a breaker's events, from 0.
    pub sequence: u64,
    /// When, by the breaker's clock.
    pub at: Timestamp,
    /// What changed.
    pub transition: Transition,
}

impl fmt::Display for Event {
    /// One line for whoever is on call.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.breaker.escape_debug(), self.transition)
    }
}
