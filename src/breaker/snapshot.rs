use std::{sync::Arc, time::Duration};

use super::{LastError, Totals};
use crate::machine::{Mode, PolicyReading, State, Timestamp, TripReason, View};

/// A picture of a breaker at one moment. Taking it changes nothing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The breaker's name.
    pub name: Arc<str>,
    /// Where the calls go.
    pub state: State,
    /// The percentage of the calls that goes to the primary; 0 during a trial.
    pub share: u8,
    /// Who decides.
    pub mode: Mode,
    /// The reason that was given for the mode; `None` in [`Mode::Automatic`].
    pub mode_reason: Option<Arc<str>>,
    /// When the mode goes back to [`Mode::Automatic`] by itself.
    pub mode_reverts_at: Option<Timestamp>,
    /// Grows with each trip and each manual change, and when half-open is given another recovery.
    pub generation: u64,
    /// When this was seen, by the breaker's clock.
    pub now: Timestamp,
    /// How long the state has lasted.
    pub lasted: Duration,
    /// Where calls are refused: when to come back. `None` where only an operator can tell.
    pub retry_after: Option<Duration>,
    /// How many openings went before the last one with no ten closed seconds in between (k).
    pub attempt: u32,
    /// Why it last tripped, or would have in [`Mode::Shadow`].
    pub last_trip: Option<TripReason>,
    /// While open or half-open after a trip: why it left closed. Trials that failed since are the [last trip](Self::last_trip).
    pub first_trip: Option<TripReason>,
    /// From when on a call that starts now is slow: as set by hand or learned. `None` where no call is slow, or not enough has been learned.
    pub slow_after: Option<Duration>,
    /// How long the slowest 1 % of recent good calls have taken, as far as that has been learned: see [`SlowAfter::Learned`](crate::config::SlowAfter::Learned).
    /// `None` before the first 64 samples, and where `slow_after` is [`Never`](crate::config::SlowAfter::Never).
    pub learned_p99: Option<Duration>,
    /// How long half of recent good calls have taken, where the p99 is known.
    pub learned_p50: Option<Duration>,
    /// While closed: each policy's counts.
    pub policies: Vec<PolicyReading>,
    /// What the breaker has counted since it was made.
    pub totals: Totals,
    /// Calls to the primary that have started and haven't ended.
    pub in_flight: u64,
    /// The primary's last error, where a classifier [notes](crate::Permit::note_error) errors: `protocol::http::ByStatus` does, and
    /// [`ShowErrors`](crate::classify::ShowErrors).
    pub last_error: Option<LastError>,
}

impl Snapshot {
    pub(super) fn new(
        name: Arc<str>,
        view: View,
        totals: Totals,
        in_flight: u64,
        last_error: Option<LastError>,
    ) -> Self {
        let View {
            state,
            share,
            mode,
            mode_reason,
            mode_reverts_at,
            generation,
            now,
            lasted,
            retry_after,
            attempt,
            last_trip,
            first_trip,
            slow_after,
            learned_p99,
            learned_p50,
            policies,
        } = view;
        Self {
            name,
            state,
            share,
            mode,
            mode_reason,
            mode_reverts_at,
            generation,
            now,
            lasted,
            retry_after,
            attempt,
            last_trip,
            first_trip,
            slow_after,
            learned_p99,
            learned_p50,
            policies,
            totals,
            in_flight,
            last_error,
        }
    }
}
