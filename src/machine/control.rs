//! Commands: what an operator, an agent or a new configuration makes the breaker do.
//!
//! A [`Mode`] overrules the breaker's own decisions. Each manual change begins a new generation, so
//! that calls which started before it don't count after it.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    Machine, error::ConfigError, policy::reason::TripReason, recovery::open_duration::Cooldown, settings::Settings,
    state::Phase, time::Timestamp, transition::Transition,
};

/// A mode: who decides where the calls go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// The breaker decides.
    #[default]
    Automatic,
    /// All calls are refused.
    ForcedOpen,
    /// All calls go to the primary, and nothing is recorded.
    Disabled,
    /// All calls go to the primary; the breaker records, and announces when it would have tripped.
    Shadow,
}

impl Mode {
    /// Every mode, for what lists them: metrics have a series for each.
    pub const ALL: &'static [Self] = &[Self::Automatic, Self::ForcedOpen, Self::Disabled, Self::Shadow];

    /// Returns "automatic", "forced open", "disabled" or "shadow".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::ForcedOpen => "forced open",
            Self::Disabled => "disabled",
            Self::Shadow => "shadow",
        }
    }
}

impl fmt::Display for Mode {
    /// Writes the mode's [name](Self::name).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A mode that is set, why, and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ActiveMode {
    pub(super) mode: Mode,
    /// The operator's reason; `None` in [`Mode::Automatic`].
    pub(super) reason: Option<Arc<str>>,
    /// When the mode reverts to [`Mode::Automatic`] by itself.
    pub(super) reverts_at: Option<Timestamp>,
}

impl ActiveMode {
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.reverts_at.is_some_and(|at| at <= now)
    }
}

impl Machine {
    /// Sets the mode, for as long as `ttl` says, or for good.
    pub fn set_mode(&mut self, mode: Mode, reason: Arc<str>, ttl: Option<Duration>, now: Timestamp) {
        let now = self.catch_up(now);
        self.change_mode(mode, reason, ttl.map(|ttl| now + ttl), now);
    }

    /// Closes the breaker and forgets everything, what it has learned of the latency included. The
    /// mode becomes [`Mode::Automatic`]. It works from any state.
    pub fn reset(&mut self, reason: Arc<str>, now: Timestamp) {
        let now = self.catch_up(now);
        self.mode = ActiveMode::default();
        self.attempt = None;
        self.last_trip = None;
        self.first_trip = None;
        self.paused_until = Timestamp::START;
        self.enter_new_generation(Phase::closed(&self.settings, now), now);
        self.estimator.forget();
        self.learns_from = self.generation;
        self.note(Transition::Reset { reason });
    }

    /// Checks settings for this machine, as [`reconfigure`](Self::reconfigure) does.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), ConfigError> {
        settings.check_with_auto_as(self.auto)
    }

    /// Goes on under other settings. State, counts, calls in flight and what was learned of the
    /// latency are kept.
    ///
    /// Windows keep what fits. An open time that has begun runs on. Another recovery, while
    /// half-open, starts with its probe.
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

    /// Trips for a reason that the calls don't show: an agent's, or an operator's. Returns whether
    /// it did: not where the breaker is open already, nor where a mode overrules it. In
    /// [`Mode::Shadow`] the trip is only noted.
    pub fn trip_for(&mut self, reason: TripReason, now: Timestamp) -> bool {
        let now = self.catch_up(now);
        let trips = match self.mode.mode {
            Mode::ForcedOpen | Mode::Disabled => false,
            Mode::Automatic => !matches!(self.phase, Phase::Open(_)),
            // Like the breaker's own trips: an outage is announced once.
            Mode::Shadow => matches!(self.phase, Phase::Closed { quiet_until, .. } if quiet_until <= now),
        };
        if trips {
            self.trip(reason, now);
        }
        trips && self.mode.mode == Mode::Automatic
    }

    /// Reserves trials for [`admit_to_trial`](Self::admit_to_trial), so that callers' calls aren't
    /// admitted to them; or undoes one such reservation. Reservations nest: callers are admitted
    /// again once each has been undone.
    pub fn reserve_trials(&mut self, reserve: bool) {
        self.trial_reservations = if reserve {
            self.trial_reservations.saturating_add(1)
        } else {
            self.trial_reservations.saturating_sub(1)
        };
    }

    pub(super) fn reserves_trials(&self) -> bool {
        self.trial_reservations > 0
    }

    /// Notes that the breaker is dropped, in favor of those of other keys.
    #[cfg(feature = "keyed")]
    pub(crate) fn evict(&mut self) {
        self.note(Transition::Evicted);
    }

    pub(super) fn change_mode(&mut self, mode: Mode, reason: Arc<str>, reverts_at: Option<Timestamp>, now: Timestamp) {
        let reverts_at = reverts_at.filter(|_| mode != Mode::Automatic);
        let from = std::mem::replace(
            &mut self.mode,
            ActiveMode {
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
            // The operator may be wrong about the primary: access returns by way of a probe.
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
