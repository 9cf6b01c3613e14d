//! Logs each event by `tracing`, in fields that a log query can filter by.
//!
//! The fields `from`, `to` and `reason` use the vocabulary of [`Transition::origin`],
//! [`Transition::target`] and [`Transition::cause`], as the metrics' labels and the console do.
//! Where an operator gave a reason, `reason` is in the operator's own words. A field that has no
//! value for a transition is absent.

use super::event::Event;
use crate::machine::{Transition, TripReason};

/// Logs an event: at WARN what may need an operator, or was done by one, at INFO the rest.
pub(super) fn log(event: &Event) {
    let transition = &event.transition;
    let trip_reason = transition.trip_reason();
    let (from_percent, to_percent) = match transition {
        Transition::ShareChanged { from, to, .. } => (Some(*from), Some(*to)),
        _ => (None, None),
    };
    let reason = match transition {
        Transition::ModeChanged { reason, .. } | Transition::Reset { reason } => &**reason,
        _ => transition.cause(),
    };
    // tracing's macros take the level as a constant, so that each level has its own.
    macro_rules! log_at {
        ($level:ident) => {
            tracing::$level!(
                breaker = &*event.breaker,
                from = transition.origin(),
                to = transition.target(),
                reason,
                measured = trip_reason.map(TripReason::measured),
                threshold = trip_reason.map(TripReason::threshold),
                from_percent,
                to_percent,
                "{transition}"
            )
        };
    }
    match transition {
        Transition::Opened { .. }
        | Transition::WouldHaveTripped { .. }
        | Transition::HeldBack { .. }
        | Transition::ModeChanged { .. }
        | Transition::Reset { .. } => log_at!(warn),
        Transition::HalfOpened { .. }
        | Transition::ShareChanged { .. }
        | Transition::Closed
        | Transition::Reconfigured
        | Transition::Evicted => log_at!(info),
    }
}
