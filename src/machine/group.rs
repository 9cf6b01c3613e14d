//! A breaker in a group, whose breakers may not all be open at once.
//!
//! A trip on statistics needs an [`OpenSlot`] of the group. Without a free one the trip is held
//! back, and announced once in a while. Trips for an agent's or an operator's reason need none.

use std::{fmt, sync::Arc};

use super::{
    Machine,
    control::Mode,
    policy::reason::TripReason,
    state::{Phase, QUIET},
    time::Timestamp,
    transition::Transition,
};

/// A slot among the open breakers of a group.
pub(crate) trait OpenSlot: fmt::Debug + Send + Sync {
    /// Takes a slot for a trip on statistics alone. Returns whether one was free.
    fn try_acquire(&self) -> bool;

    /// Says whether the breaker is open or half-open, however that came about.
    fn set_open(&self, open: bool);
}

impl Machine {
    /// Joins a group: from now on a trip on statistics needs this slot.
    pub(crate) fn join(&mut self, open_slot: Arc<dyn OpenSlot>) {
        self.open_slot = Some(open_slot);
        self.update_open_slot();
    }

    /// Trips for a reason that the group's statistics show, where the group allows it: like
    /// [`trip_for`](Self::trip_for), but only a closed breaker, and only where there is a slot.
    pub(crate) fn trip_if_group_allows(&mut self, reason: TripReason, now: Timestamp) {
        let now = self.catch_up(now);
        if matches!(self.phase, Phase::Closed { quiet_until, .. } if quiet_until <= now) && self.is_recording() {
            self.trip_if_allowed(reason, now);
        }
    }

    /// Trips where the group allows it. Otherwise it notes the trip as held back, at most once in
    /// [`QUIET`].
    pub(super) fn trip_if_allowed(&mut self, reason: TripReason, now: Timestamp) {
        let is_allowed =
            self.mode.mode == Mode::Shadow || self.open_slot.as_ref().is_none_or(|open_slot| open_slot.try_acquire());
        if is_allowed {
            self.trip(reason, now);
        } else if self.held_quiet_until <= now {
            self.held_quiet_until = now + QUIET;
            self.note(Transition::HeldBack { reason });
        }
    }

    pub(super) fn update_open_slot(&self) {
        if let Some(open_slot) = &self.open_slot {
            open_slot.set_open(!matches!(self.phase, Phase::Closed { .. }));
        }
    }
}
