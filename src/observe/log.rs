use super::event::Event;
use crate::machine::{Transition, TripReason};

pub(super) fn log(event: &Event) {
    let breaker = &*event.breaker;
    let transition = &event.transition;
    match transition {
        Transition::Opened { from, reason, .. } => tracing::warn!(
            breaker,
            from = from.name(),
            to = "open",
            reason = reason.name(),
            measured = reason.measured(),
            threshold = reason.threshold(),
            "{transition}"
        ),
        Transition::WouldHaveTripped { reason } | Transition::HeldBack { reason } => tracing::warn!(
            breaker,
            reason = reason.name(),
            measured = reason.measured(),
            threshold = reason.threshold(),
            "{transition}"
        ),
        Transition::HalfOpened { .. } => {
            tracing::info!(
                breaker,
                from = "open",
                to = "half-open",
                reason = "open time is up",
                "{transition}"
            );
        }
        Transition::ShareChanged { from, to, reason } => tracing::info!(
            breaker,
            from = "half-open",
            to = "half-open",
            from_percent = from,
            to_percent = to,
            reason = reason.as_ref().map_or("stage passed", TripReason::name),
            measured = reason.as_ref().map(TripReason::measured),
            threshold = reason.as_ref().map(TripReason::threshold),
            "{transition}"
        ),
        Transition::Closed => {
            tracing::info!(
                breaker,
                from = "half-open",
                to = "closed",
                reason = "recovered",
                "{transition}"
            );
        }
        Transition::ModeChanged { from, to, reason, .. } => {
            tracing::warn!(
                breaker,
                from = from.name(),
                to = to.name(),
                reason = &**reason,
                "{transition}"
            );
        }
        Transition::Reset { reason } => {
            tracing::warn!(breaker, to = "closed", reason = &**reason, "{transition}");
        }
        Transition::Reconfigured | Transition::Evicted => tracing::info!(breaker, "{transition}"),
    }
}
