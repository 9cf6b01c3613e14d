//! The list of all series: names, labels and help.
//!
//! Names, labels and their values are public: dashboards and alerts depend on them.

/// A series of figures, of each breaker or of the exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Series {
    /// The name, with its unit.
    pub name: &'static str,
    /// Whether it is a counter or a gauge.
    pub kind: Kind,
    /// A sentence that says what it measures.
    pub help: &'static str,
    /// The names of its labels, beside `breaker`.
    pub labels: &'static [&'static str],
}

/// The kind of a series: how its value moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A value that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
}

macro_rules! series {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(super) const $id: Series = Series {
            name: $name,
            kind: Kind::$kind,
            help: $help,
            labels: &[$($label),*],
        };)+

        /// The list of all series.
        pub const SERIES: &[Series] = &[$($id),+];
    };
}

series! {
    CALLS: Counter "tower_breaker_calls_total" ["service", "outcome"]
        "Calls to the primary or the backup (service), by how they ended: success, failure, ignored, cancelled, stale.";
    SLOW_CALLS: Counter "tower_breaker_slow_calls_total" []
        "Calls to the primary that took longer than slow_after, counted when they do; they are among the calls by outcome as well.";
    REFUSED_CALLS: Counter "tower_breaker_refused_calls_total" ["to"]
        "Calls that the breaker kept from the primary, by where they went: backup, or none if they were refused.";
    FAILED_OVER_CALLS: Counter "tower_breaker_failed_over_calls_total" []
        "Calls that failed on the primary and then went to the backup.";
    CALL_SECONDS: Counter "tower_breaker_call_seconds_total" ["service"]
        "The total latency of the calls that were timed.";
    TIMED_CALLS: Counter "tower_breaker_timed_calls_total" ["service"]
        "Calls that tower_breaker_call_seconds_total adds up.";
    LEARNED_LATENCY: Gauge "tower_breaker_learned_latency_seconds" ["quantile"]
        "The learned latency of the primary's recent good calls.";
    SLOW_AFTER: Gauge "tower_breaker_slow_after_seconds" []
        "The latency from which on a call is slow; absent if no call is.";
    STATE: Gauge "tower_breaker_state" ["state"]
        "1 for the state that the breaker is in, 0 for the others.";
    MODE: Gauge "tower_breaker_mode" ["mode"]
        "1 for the mode that the breaker is in, 0 for the others: automatic, forced open, disabled, shadow.";
    STATE_SECONDS: Gauge "tower_breaker_state_seconds" []
        "How long the state has lasted.";
    SHARE: Gauge "tower_breaker_share_ratio" []
        "The share of the calls that may go to the primary, from 0 to 1.";
    IN_FLIGHT: Gauge "tower_breaker_calls_in_flight" []
        "Calls to the primary that have been started and haven't ended.";
    MEASURED: Gauge "tower_breaker_policy_measured" ["policy"]
        "While closed, the value that a trip policy measures: the level of evidence, a rate from 0 to 1, or bad calls in a row.";
    THRESHOLD: Gauge "tower_breaker_policy_threshold" ["policy"]
        "The value of tower_breaker_policy_measured that trips the breaker.";
    ATTEMPT: Gauge "tower_breaker_openings_in_a_row" []
        "Openings before the last one, with no ten closed seconds in between.";
    TRANSITIONS: Counter "tower_breaker_transitions_total" ["to", "reason"]
        "Transitions, by the state or mode that they led to, and why.";
    OPEN_SECONDS: Counter "tower_breaker_open_seconds_total" []
        "How long the breaker was open or half-open.";
    READINESS_WAITS: Counter "tower_breaker_readiness_waits_total" []
        "Waits of a task for the primary to be ready.";
    READINESS_SECONDS: Counter "tower_breaker_readiness_wait_seconds_total" []
        "The total time that tasks waited for the primary to be ready.";
    READINESS_ERRORS: Counter "tower_breaker_readiness_errors_total" []
        "Errors of the primary's readiness.";
    CHECKS: Counter "tower_breaker_checks_total" ["result"]
        "The agent's checks, by result: healthy, failed.";
    CHECKS_FAILED_IN_A_ROW: Gauge "tower_breaker_checks_failed_in_a_row" []
        "Checks of the agent that have failed since the last healthy one.";
    EVENTS_LOST: Counter "tower_breaker_events_lost_total" []
        "Events that were dropped because the exporter was asked too rarely; their transitions are missing. It has no label breaker.";
}
