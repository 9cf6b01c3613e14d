use std::time::Duration;

use super::{Machine, Mode, Phase, State, Timestamp, Transition, TripReason, tally::PolicyStates};

/// Closed for this long, the breaker forgets how often it has opened before.
const FORGETS_AFTER: Duration = Duration::from_secs(10);

/// An outage is said once, not at every call: the next word on a trip that didn't happen comes after this.
pub(super) const QUIET: Duration = Duration::from_secs(10);

/// Opening.
impl Machine {
    pub(super) fn trip_if_due(&mut self, now: Timestamp) {
        if let Phase::Closed { states, .. } = &self.phase {
            if let Some(reason) = states.trip(now) {
                self.trip_if_allowed(reason, now);
            }
        }
    }

    pub(super) fn trip(&mut self, reason: TripReason, now: Timestamp) {
        let from = self.phase.state();
        if from == State::Closed && now.since(self.since) >= FORGETS_AFTER {
            self.attempt = None;
        }
        self.last_trip = Some(Box::new(reason.clone()));
        if self.mode.mode == Mode::Shadow {
            self.phase = Phase::Closed {
                states: PolicyStates::new(&self.settings.trip_when, now),
                quiet_until: now + QUIET,
            };
            self.note(Transition::WouldHaveTripped { reason });
            return;
        }
        if from == State::Closed {
            self.first_trip = Some(Box::new(reason.clone()));
        }
        let attempt = self.attempt.map_or(0, |last| last.saturating_add(1));
        let asked_for = self.paused_until.since(now);
        let rng = self.rng.next();
        let (cooldown, open_for) = self.settings.open_duration.begin(attempt, rng, asked_for, now);
        self.attempt = Some(attempt);
        self.estimator.sample_next();
        self.enter_new_generation(Phase::Open(cooldown), now);
        self.note(Transition::Opened {
            from,
            reason,
            open_for,
            attempt,
        });
    }
}
