use std::{fmt, sync::Arc};

use super::{Machine, Mode, Phase, Ticket, Timestamp, Transition, TripReason, trip::QUIET};

/// A breaker's place in a group whose breakers may not all be open at once.
pub(crate) trait OpenSlot: fmt::Debug + Send + Sync {
    /// Takes a place among the open ones for a trip on statistics alone. Whether there was one.
    fn try_acquire(&self) -> bool;

    /// Says whether the breaker is open or half-open, however that came about.
    fn set_open(&self, out: bool);
}

/// What comes from beside the calls: the group, and whoever watches the primary.
impl Machine {
    pub(crate) fn is_automatic(&self) -> bool {
        self.mode.mode == Mode::Automatic
    }

    /// Whether it is closed, by its own decision.
    #[cfg(any(feature = "console", feature = "keyed"))]
    pub(crate) fn is_healthy(&self, now: Timestamp) -> bool {
        self.state(now) == super::State::Closed && self.is_automatic()
    }

    /// From now on a trip on statistics needs a place among the open ones of a group.
    pub(crate) fn join(&mut self, open_slot: Arc<dyn OpenSlot>) {
        self.open_slot = Some(open_slot);
        self.update_open_slot();
    }

    /// Trips for a reason that the calls don't tell. Whether it did: not where it is open already, nor where somebody else decides.
    /// In [`Mode::Shadow`] it is only noted.
    pub fn trip_for(&mut self, reason: TripReason, now: Timestamp) -> bool {
        let now = self.catch_up(now);
        let trips = match self.mode.mode {
            Mode::ForcedOpen | Mode::Disabled => false,
            Mode::Automatic => !matches!(self.phase, Phase::Open(_)),
            // As with trips of its own: an outage is said once.
            Mode::Shadow => matches!(self.phase, Phase::Closed { quiet_until, .. } if quiet_until <= now),
        };
        if trips {
            self.trip(reason, now);
        }
        trips && self.mode.mode == Mode::Automatic
    }

    /// As [`trip_for`](Self::trip_for), for statistics: where the group allows it.
    pub(crate) fn trip_if_group_allows(&mut self, reason: TripReason, now: Timestamp) {
        let now = self.catch_up(now);
        if matches!(self.phase, Phase::Closed { quiet_until, .. } if quiet_until <= now) && self.is_recording() {
            self.trip_if_allowed(reason, now);
        }
    }

    /// Keeps the callers out of trials, which are then for [`admit_to_trial`](Self::admit_to_trial) alone; or lets them in again, once as many
    /// have said so as have kept them out.
    pub fn reserve_trials(&mut self, keep: bool) {
        self.trial_reservations = if keep {
            self.trial_reservations.saturating_add(1)
        } else {
            self.trial_reservations.saturating_sub(1)
        };
    }

    pub(super) fn reserves_trials(&self) -> bool {
        self.trial_reservations > 0
    }

    /// The right to make a call of the trial, for somebody who isn't a caller: none need have been refused before it. `None` where there is no trial, or
    /// its calls are taken.
    pub fn admit_to_trial(&mut self, now: Timestamp) -> Option<Ticket> {
        let now = self.catch_up(now);
        self.start_trial(now, self.open_time_is_up(now));
        match &mut self.phase {
            Phase::HalfOpen(half_open) if half_open.is_trial() => half_open.admit().then(|| self.ticket(now, None)),
            _ => None,
        }
    }

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
