use std::{sync::Arc, time::Duration};

use super::{
    Machine, Mode, ModeView, Phase, Timestamp, Transition, cooldown::Cooldown, invalid::ConfigError, settings::Settings,
};

/// What is done by hand.
impl Machine {
    /// Sets the mode by hand, for as long as `ttl` says, or for good.
    pub fn set_mode(&mut self, mode: Mode, reason: Arc<str>, ttl: Option<Duration>, now: Timestamp) {
        let now = self.catch_up(now);
        self.change_mode(mode, reason, ttl.map(|ttl| now + ttl), now);
    }

    /// Closes, forgets everything, what it has learned of the latency included, and goes back to [`Mode::Automatic`], from any state.
    pub fn reset(&mut self, reason: Arc<str>, now: Timestamp) {
        let now = self.catch_up(now);
        self.mode = ModeView::default();
        self.attempt = None;
        self.last_trip = None;
        self.first_trip = None;
        self.paused_until = Timestamp::START;
        self.enter_new_generation(Phase::closed(&self.settings, now), now);
        self.estimator.forget();
        self.learns_from = self.generation;
        self.note(Transition::Reset { reason });
    }

    pub(crate) fn check(&self, settings: &Settings) -> Result<(), ConfigError> {
        settings.check_with_auto_as(self.auto)
    }

    /// Goes on under other settings: state, counts, calls in flight and what was learned of the latency are kept.
    ///
    /// Windows keep what fits. An open time that has begun runs on. Another recovery, while half-open, starts with its probe.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another; nothing has changed then.
    pub fn reconfigure(&mut self, settings: Settings, now: Timestamp) -> Result<(), ConfigError> {
        self.check(&settings)?;
        let now = self.catch_up(now);
        let other_recovery = settings.recovery != self.settings.recovery;
        self.settings = Arc::new(settings);
        match &mut self.phase {
            Phase::Closed { states, .. } => *states = states.clone().under(&self.settings.trip_when, now),
            Phase::HalfOpen(_) if other_recovery => {
                let half_open = self.half_open(now);
                self.enter_new_generation(Phase::HalfOpen(half_open), now);
            }
            Phase::Open(_) | Phase::HalfOpen(_) => {}
        }
        self.note(Transition::Reconfigured);
        Ok(())
    }

    /// Says that it is given up, in favour of others.
    #[cfg(feature = "keyed")]
    pub(crate) fn evict(&mut self) {
        self.note(Transition::Evicted);
    }

    pub(super) fn change_mode(&mut self, mode: Mode, reason: Arc<str>, reverts_at: Option<Timestamp>, now: Timestamp) {
        let reverts_at = reverts_at.filter(|_| mode != Mode::Automatic);
        let from = std::mem::replace(
            &mut self.mode,
            ModeView {
                mode,
                reason: Some(reason.clone()).filter(|_| mode != Mode::Automatic),
                reverts_at,
            },
        );
        if from.mode == Mode::Automatic && mode == Mode::Automatic {
            return;
        }
        let phase = match (from.mode, mode) {
            (_, Mode::ForcedOpen) => Phase::Open(Cooldown::ENDLESS),
            // Whoever shut it may be wrong about the primary: access returns by way of a probe.
            (Mode::ForcedOpen, Mode::Automatic) => Phase::Open(Cooldown::over(now)),
            (_, Mode::Automatic | Mode::Disabled | Mode::Shadow) => Phase::closed(&self.settings, now),
        };
        self.attempt = None;
        self.enter_new_generation(phase, now);
        self.note(Transition::ModeChanged {
            from: from.mode,
            to: mode,
            reason,
            reverts_after: reverts_at.map(|at| at.since(now)),
        });
    }
}
