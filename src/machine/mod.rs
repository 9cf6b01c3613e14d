//! The decisions, apart from everything else: no clock, no lock, no async, no I/O.
//!
//! A [`Machine`] is the state machine of one breaker. Its driver brings the time, reports each
//! call's start and end, and asks what to do: the layer does, and so do the simulator in `benches/`
//! and the replay of a recorded trace.
//!
//! ```
//! use std::time::Duration;
//! use tower_breaker::{Outcome, machine::{Completion, Machine, Settings, Timestamp}};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let mut machine = Machine::new(Settings::default(), 0)?;
//! let mut now = Timestamp::START;
//! while let Ok(ticket) = machine.admit(now) {
//!     now = now + Duration::from_millis(10);
//!     machine.settle(ticket, Completion::Finished(Outcome::Failure), now);
//! }
//! assert!(now >= Timestamp::START + Duration::from_millis(500));
//! # Ok(())
//! # }
//! ```
//!
//! # Stability
//!
//! This module is public only with the feature `unstable-machine`, and **exempt from semantic
//! versioning**: any release may change it. It is the inside of the breaker, so a new policy,
//! setting or kind of ending changes it, and the promise of the rest of the crate must not stand in
//! the way of that. The types that the rest of the crate shows (policies, states, transitions) are
//! stable under their paths there.
//!
//! # The four kinds of methods
//!
//! | kind | methods | when to call them |
//! |---|---|---|
//! | getters | [`settings`], [`generation`], [`is_current`], [`is_recording`] | any time |
//! | | [`slow_after`], [`state`], [`view`], [`refusal`], [`is_valid`] | any time |
//! | reports | [`admit`]; or [`reserve`], and later [`claim`] | a call starts |
//! | | [`asked_for_pause`] | its answer is in |
//! | | [`overdue`], [`overdue_failed`], [`streaming`] | it is still in flight |
//! | | [`settle`]; [`learn`] where it has counted before | it has ended |
//! | | [`admit_to_trial`] | an agent probes |
//! | commands | [`set_mode`], [`reset`], [`trip_for`] | an operator says so |
//! | | [`reconfigure`], [`reserve_trials`] | settings or agents change |
//! | polls | [`take_transitions`] or [`take_changes`] | after each report and command |
//! | | [`trips_at`]; at that time, [`evaluate`] | after each report and command |
//! | | [`is_flowing`] | before a call waits |
//!
//! Within this crate there are more. The breaker reports calls in batches: `batch_window` and
//! `reject_window` are polls that say when it may, and `record_successes`, `record_late_success`
//! and `record_rejections` are the reports (see `batch`). Groups use `join` and
//! `trip_if_group_allows`.
//!
//! **In which order.** [`admit`] gives a [`Ticket`]. The driver notes on it when the call
//! [waits](Ticket::wait), [starts](Ticket::start) and is [answered](Ticket::answer). At
//! [`Ticket::due`] it reports a call that is still in flight as [`overdue`]; in half-open, an
//! answer that goes on until [`Ticket::streaming_deadline`] as [`streaming`]. It reports the end
//! exactly once: by [`settle`], or by [`learn`] where the call has been reported as overdue or
//! streaming. A ticket that is not settled may hold the only probe.
//!
//! **What the driver owes.** Time that doesn't go back: where it does, the machine goes by the
//! latest moment that it knows. A ticket goes back to the machine that issued it. Transitions are
//! kept until the driver takes them, so it has to do that now and then. And [`trips_at`] has to be
//! kept: with no more calls, only [`evaluate`] trips the breaker.
//!
//! [`settings`]: Machine::settings
//! [`generation`]: Machine::generation
//! [`is_current`]: Machine::is_current
//! [`is_recording`]: Machine::is_recording
//! [`slow_after`]: Machine::slow_after
//! [`state`]: Machine::state
//! [`view`]: Machine::view
//! [`refusal`]: Machine::refusal
//! [`is_valid`]: Machine::is_valid
//! [`admit`]: Machine::admit
//! [`reserve`]: Machine::reserve
//! [`claim`]: Machine::claim
//! [`asked_for_pause`]: Machine::asked_for_pause
//! [`overdue`]: Machine::overdue
//! [`overdue_failed`]: Machine::overdue_failed
//! [`streaming`]: Machine::streaming
//! [`settle`]: Machine::settle
//! [`learn`]: Machine::learn
//! [`admit_to_trial`]: Machine::admit_to_trial
//! [`set_mode`]: Machine::set_mode
//! [`reset`]: Machine::reset
//! [`reconfigure`]: Machine::reconfigure
//! [`trip_for`]: Machine::trip_for
//! [`reserve_trials`]: Machine::reserve_trials
//! [`take_transitions`]: Machine::take_transitions
//! [`take_changes`]: Machine::take_changes
//! [`trips_at`]: Machine::trips_at
//! [`evaluate`]: Machine::evaluate
//! [`is_flowing`]: Machine::is_flowing

mod batch;
mod calls;
mod completion;
mod control;
mod error;
mod group;
mod latency;
pub(crate) mod policy;
mod random;
pub(crate) mod recovery;
mod settings;
mod state;
mod ticket;
mod time;
mod transition;
mod view;

use std::sync::Arc;

pub(crate) use self::{
    batch::{BatchWindow, RejectWindow, SuccessBatch},
    group::OpenSlot,
    random::SplitMix64,
    time::HumanDuration,
};
pub use self::{
    completion::{Assessment, CancelledCalls, Completion, Outcome, Settled},
    control::Mode,
    error::ConfigError,
    latency::SlowAfter,
    policy::{
        Policy, TripPolicy,
        consecutive::ConsecutiveFailures,
        counts::{BucketView, Counts},
        evidence::Evidence,
        rate::{FailureRate, SlowCallRate},
        reading::{Measurement, PolicyReading},
        reason::TripReason,
        window::SlidingWindow,
    },
    recovery::{Recovery, open_duration::OpenDuration},
    settings::Settings,
    state::State,
    ticket::{Refusal, Ticket},
    time::Timestamp,
    transition::Transition,
    view::View,
};
use self::{control::ActiveMode, latency::estimator::LatencyEstimator, state::Phase};

/// A state machine that decides for one breaker.
///
/// The [module](self) says which methods there are, in which order to call them, and what their
/// caller owes.
#[derive(Clone, Debug)]
pub struct Machine {
    settings: Arc<Settings>,
    /// What [`SlowAfter::Auto`] stands for.
    auto: SlowAfter,
    mode: ActiveMode,
    phase: Phase,
    /// When the phase began.
    since: Timestamp,
    generation: u64,
    /// The number of the last opening (k), until the breaker has been closed for long enough to
    /// forget it.
    attempt: Option<u32>,
    // Boxed, since there may be a breaker for each of a million keys, few of which ever trip.
    last_trip: Option<Box<TripReason>>,
    /// Why it last left closed.
    first_trip: Option<Box<TripReason>>,
    /// Until when the primary asked to get no calls.
    paused_until: Timestamp,
    rng: SplitMix64,
    estimator: LatencyEstimator,
    /// The first generation that the estimator learns from.
    learns_from: u64,
    /// The latest moment that the driver has brought.
    latest: Timestamp,
    /// Its slot in a group whose breakers may not all be open at once.
    open_slot: Option<Arc<dyn OpenSlot>>,
    /// Until then no trip that the group forbade is announced.
    held_quiet_until: Timestamp,
    /// How often trials are reserved: see [`reserve_trials`](Self::reserve_trials).
    trial_reservations: u32,
    /// Transitions that the driver hasn't taken yet, each with its generation.
    transitions: Vec<(u64, Transition)>,
}

impl Machine {
    /// Returns a closed machine. The same `seed` gives the same jitter, and the same samples.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another.
    pub fn new(settings: Settings, seed: u64) -> Result<Self, ConfigError> {
        Self::with_auto_as(SlowAfter::Never, Arc::new(settings), seed)
    }

    /// Returns a closed machine for which [`SlowAfter::Auto`] stands for `auto`.
    pub(crate) fn with_auto_as(auto: SlowAfter, settings: Arc<Settings>, seed: u64) -> Result<Self, ConfigError> {
        settings.check_with_auto_as(auto)?;
        Ok(Self {
            auto,
            phase: Phase::closed(&settings, Timestamp::START),
            mode: ActiveMode::default(),
            since: Timestamp::START,
            generation: 1,
            attempt: None,
            last_trip: None,
            first_trip: None,
            paused_until: Timestamp::START,
            rng: SplitMix64::new(seed),
            estimator: LatencyEstimator::new(seed),
            learns_from: 0,
            latest: Timestamp::START,
            open_slot: None,
            held_quiet_until: Timestamp::START,
            trial_reservations: 0,
            transitions: Vec::new(),
            settings,
        })
    }

    /// Returns from when on the evidence, if it stays as it is, will have lasted for long enough to
    /// trip. The driver calls [`evaluate`](Self::evaluate) then.
    #[must_use]
    pub fn trips_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Closed { states, .. } => states.trips_at(),
            Phase::Open(_) | Phase::HalfOpen(_) => None,
        }
    }

    /// Evaluates the evidence again, and trips if it has lasted for long enough by now.
    pub fn evaluate(&mut self, now: Timestamp) {
        let now = self.catch_up(now);
        if self.trips_at().is_some_and(|trips_at| trips_at <= now) {
            self.trip_if_due(now);
        }
    }

    /// Returns whether all calls go to the primary.
    pub fn is_flowing(&mut self, now: Timestamp) -> bool {
        self.catch_up(now);
        matches!(self.phase, Phase::Closed { .. })
    }

    /// Returns whether there are transitions to take.
    pub(crate) fn has_changed(&self) -> bool {
        !self.transitions.is_empty()
    }

    /// Takes the transitions since this was last called, oldest first. They are kept until then: a
    /// driver has to take them now and then.
    pub fn take_transitions(&mut self) -> Vec<Transition> {
        self.take_changes()
            .into_iter()
            .map(|(_, transition)| transition)
            .collect()
    }

    /// Takes the transitions like [`take_transitions`](Self::take_transitions), each with the
    /// generation that it began or happened in.
    pub fn take_changes(&mut self) -> Vec<(u64, Transition)> {
        std::mem::take(&mut self.transitions)
    }
}
