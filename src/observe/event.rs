//! An event: a transition of one breaker, with its time and its place in that breaker's order.

use std::{fmt, sync::Arc};

use crate::machine::{Timestamp, Transition};

/// A change of one breaker: what changed, and when.
///
/// Observers on several threads may see events out of order; [`sequence`](Self::sequence) is their
/// order. `Display` writes one line for the operator.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// The generation of calls that the event started, or else the one in which it happened.
    pub generation: u64,
    /// The event's number among this breaker's events, from 0.
    pub sequence: u64,
    /// When it happened, by the breaker's clock.
    pub at: Timestamp,
    /// What changed.
    pub transition: Transition,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.breaker.escape_debug(), self.transition)
    }
}
