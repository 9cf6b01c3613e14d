//! What changed at a breaker, for observers, logs, metrics and the console.
//!
//! The machine notes a [`Transition`] for each change, and the driver takes it. All that show
//! transitions use the words of [`Transition::target`] and [`Transition::cause`], which are defined
//! here and nowhere else.

use std::{fmt, sync::Arc, time::Duration};

use super::{control::Mode, policy::reason::TripReason, state::State, time::HumanDuration};

/// A change of a breaker: of its state, its mode or its settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Transition {
    /// The breaker opened.
    #[non_exhaustive]
    Opened {
        /// The state before: closed, or half-open.
        from: State,
        /// Why it opened.
        reason: TripReason,
        /// How long it stays open before a trial.
        open_for: Duration,
        /// How many openings went before this one with no ten closed seconds in between (k).
        attempt: u32,
    },
    /// The open time was up, and a trial begins.
    #[non_exhaustive]
    HalfOpened {
        /// The number of the opening, as in [`Opened`](Self::Opened).
        attempt: u32,
    },
    /// Another share of the calls goes to the primary, in percent; 0 is the trial.
    #[non_exhaustive]
    ShareChanged {
        /// The share before.
        from: u8,
        /// The share now.
        to: u8,
        /// Why it went down.
        reason: Option<TripReason>,
    },
    /// The primary is healthy again, and gets all calls.
    Closed,
    /// The breaker would have opened here, but is in shadow mode.
    #[non_exhaustive]
    WouldHaveTripped {
        /// Why it would have opened.
        reason: TripReason,
    },
    /// An operator set the mode, or its time was up.
    #[non_exhaustive]
    ModeChanged {
        /// The mode before.
        from: Mode,
        /// The mode now.
        to: Mode,
        /// The operator's reason, or "its time is up".
        reason: Arc<str>,
        /// After how long it reverts to [`Mode::Automatic`] by itself.
        reverts_after: Option<Duration>,
    },
    /// The breaker didn't open, since as many of its group are open as may be.
    #[non_exhaustive]
    HeldBack {
        /// Why it would have opened.
        reason: TripReason,
    },
    /// An operator reset the breaker: it has forgotten everything.
    #[non_exhaustive]
    Reset {
        /// The operator's reason.
        reason: Arc<str>,
    },
    /// Other settings apply.
    Reconfigured,
    /// The breaker is gone, since its key has not been used for long.
    Evicted,
}

/// The one vocabulary for what a transition led to and why: the log, the metrics and the console
/// use these words, so that an operator who goes from one to the next finds the same ones.
///
/// | transition | [`origin`] | [`target`] | [`cause`] |
/// |---|---|---|---|
/// | [`Opened`] | the state before | `open` | [`TripReason::name`] |
/// | [`HalfOpened`] | `open` | `half-open` | `open time is up` |
/// | [`ShareChanged`], upwards | `half-open` | `half-open` | `stage passed` |
/// | [`ShareChanged`], downwards | `half-open` | `half-open` | [`TripReason::name`] |
/// | [`Closed`] | `half-open` | `closed` | `recovered` |
/// | [`ModeChanged`] | the mode before | the mode now | `operator` |
/// | [`Reset`] | none | `closed` | `reset` |
/// | [`WouldHaveTripped`] | none | `would have tripped` | [`TripReason::name`] |
/// | [`HeldBack`] | none | `held back` | [`TripReason::name`] |
/// | [`Reconfigured`] | none | `reconfigured` | `operator` |
/// | [`Evicted`] | none | `evicted` | `idle` |
///
/// [`origin`]: Self::origin
/// [`target`]: Self::target
/// [`cause`]: Self::cause
/// [`Opened`]: Self::Opened
/// [`HalfOpened`]: Self::HalfOpened
/// [`ShareChanged`]: Self::ShareChanged
/// [`Closed`]: Self::Closed
/// [`ModeChanged`]: Self::ModeChanged
/// [`Reset`]: Self::Reset
/// [`WouldHaveTripped`]: Self::WouldHaveTripped
/// [`HeldBack`]: Self::HeldBack
/// [`Reconfigured`]: Self::Reconfigured
/// [`Evicted`]: Self::Evicted
impl Transition {
    /// Returns the state or mode that the breaker is in afterwards, in the words of [`State::name`]
    /// and [`Mode::name`]. Where neither changes, it is what happened instead.
    #[must_use]
    pub const fn target(&self) -> &'static str {
        match self {
            Self::Opened { .. } => State::Open.name(),
            Self::HalfOpened { .. } | Self::ShareChanged { .. } => State::HalfOpen.name(),
            Self::Closed | Self::Reset { .. } => State::Closed.name(),
            Self::ModeChanged { to, .. } => to.name(),
            Self::WouldHaveTripped { .. } => "would have tripped",
            Self::HeldBack { .. } => "held back",
            Self::Reconfigured => "reconfigured",
            Self::Evicted => "evicted",
        }
    }

    /// Returns why it happened, in a few words that never vary: fit for a metric's label.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Opened { reason, .. }
            | Self::WouldHaveTripped { reason }
            | Self::HeldBack { reason }
            | Self::ShareChanged {
                reason: Some(reason), ..
            } => reason.name(),
            Self::ShareChanged { reason: None, .. } => "stage passed",
            Self::HalfOpened { .. } => "open time is up",
            Self::Closed => "recovered",
            Self::ModeChanged { .. } | Self::Reconfigured => "operator",
            Self::Reset { .. } => "reset",
            Self::Evicted => "idle",
        }
    }

    /// Returns the state or mode before. `None` where neither changes, and for a reset, which may
    /// come from any.
    #[must_use]
    pub const fn origin(&self) -> Option<&'static str> {
        match self {
            Self::Opened { from, .. } => Some(from.name()),
            Self::HalfOpened { .. } => Some(State::Open.name()),
            Self::ShareChanged { .. } | Self::Closed => Some(State::HalfOpen.name()),
            Self::ModeChanged { from, .. } => Some(from.name()),
            Self::Reset { .. }
            | Self::WouldHaveTripped { .. }
            | Self::HeldBack { .. }
            | Self::Reconfigured
            | Self::Evicted => None,
        }
    }

    /// Returns what was measured, and the threshold that it reached: for a trip, one that did not
    /// happen, and a share that went down.
    #[must_use]
    pub const fn trip_reason(&self) -> Option<&TripReason> {
        match self {
            Self::Opened { reason, .. } | Self::WouldHaveTripped { reason } | Self::HeldBack { reason } => Some(reason),
            Self::ShareChanged { reason, .. } => reason.as_ref(),
            Self::HalfOpened { .. }
            | Self::Closed
            | Self::ModeChanged { .. }
            | Self::Reset { .. }
            | Self::Reconfigured
            | Self::Evicted => None,
        }
    }
}

impl fmt::Display for Transition {
    /// Writes one line for the operator on call.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened {
                from,
                reason,
                open_for,
                attempt: _,
            } => write!(f, "{from} → open for {}: {reason}", HumanDuration(*open_for)),
            Self::HalfOpened { .. } => f.write_str("open → half-open: the open time is up, probing"),
            Self::ShareChanged { from, to, reason: None } => {
                write!(f, "half-open: {from} % → {to} % of calls to the primary")
            }
            Self::ShareChanged {
                from,
                to,
                reason: Some(reason),
            } => {
                write!(f, "half-open: {from} % → {to} % of calls to the primary: {reason}")
            }
            Self::Closed => f.write_str("half-open → closed: the primary is healthy again"),
            Self::WouldHaveTripped { reason } => write!(f, "would have tripped: {reason}"),
            Self::HeldBack { reason } => {
                write!(
                    f,
                    "held back, since its group has as many open breakers as it allows: {reason}"
                )
            }
            Self::ModeChanged {
                from,
                to,
                reason,
                reverts_after,
            } => {
                write!(f, "{from} → {to}: {reason}")?;
                match reverts_after {
                    Some(after) => write!(f, " (for {})", HumanDuration(*after)),
                    None => Ok(()),
                }
            }
            Self::Reset { reason } => write!(f, "reset: {reason}"),
            Self::Reconfigured => f.write_str("reconfigured"),
            Self::Evicted => f.write_str("evicted: its key has not been used for long"),
        }
    }
}
