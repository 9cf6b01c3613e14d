/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Series {
    /// Its name, with the unit.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// What it is.
    pub help: &'static str,
    /// Its labels, beside `breaker`.
    pub labels: &'static [&'static str],
}

/// How a series moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
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

        /// All series that there are.
        pub const SERIES: &[Series] = &[$($id),+];
    };
}

series! {
    CALLS: Counter "tower_breaker_calls_total" ["service", "outcome"]
        "Calls by how they ended: success, failure, ignored, cancelled, stale. Of the primary (service), or its backup.";
    SLOW_CALLS: Counter "tower_breaker_slow_calls_total" []
        "Calls to the primary that took longer than slow_after, counted when they do; they are among the calls by outcome as well.";
    REFUSED_CALLS: Counter "tower_breaker_refused_calls_total" ["to"]
        "Calls that the primary could not have, and where they went: backup, or nobody.";
    FAILED_OVER_CALLS: Counter "tower_breaker_failed_over_calls_total" []
        "Calls that failed on the primary and then went to the backup.";
    CALL_SECONDS: Counter "tower_breaker_call_seconds_total" ["service"]
        "The latency of calls that were timed, added up.";
    TIMED_CALLS: Counter "tower_breaker_timed_calls_total" ["service"]
        "How many calls tower_breaker_call_seconds_total is of.";
    LEARNED_LATENCY: Gauge "tower_breaker_learned_latency_seconds" ["quantile"]
        "The latency of the primary's recent good calls, as far as it has been learned.";
    SLOW_AFTER: Gauge "tower_breaker_slow_after_seconds" []
        "From when on a call is slow; absent where none is.";
    STATE: Gauge "tower_breaker_state" ["state"]
        "1 for the state that the breaker is in, 0 for the others.";
    MODE: Gauge "tower_breaker_mode" ["mode"]
        "1 for who decides, 0 for the others: automatic, forced open, disabled, shadow.";
    STATE_SECONDS: Gauge "tower_breaker_state_seconds" []
        "How long the state has lasted.";
    SHARE: Gauge "tower_breaker_share_ratio" []
        "The share of the calls that may go to the primary, from 0 to 1.";
    IN_FLIGHT: Gauge "tower_breaker_calls_in_flight" []
        "Calls to the primary that have been started and haven't ended.";
    MEASURED: Gauge "tower_breaker_policy_measured" ["policy"]
        "While closed, what a trip policy measures: the evidence's level, a rate from 0 to 1, bad calls in a row.";
    THRESHOLD: Gauge "tower_breaker_policy_threshold" ["policy"]
        "What tower_breaker_policy_measured may not reach.";
    ATTEMPT: Gauge "tower_breaker_openings_in_a_row" []
        "How many openings went before the last one with no ten closed seconds in between.";
    TRANSITIONS: Counter "tower_breaker_transitions_total" ["to", "reason"]
        "Changes, by what they led to and why.";
    OPEN_SECONDS: Counter "tower_breaker_open_seconds_total" []
        "How long the breaker was open or half-open.";
    READINESS_WAITS: Counter "tower_breaker_readiness_waits_total" []
        "How often a task waited for the primary to be ready.";
    READINESS_SECONDS: Counter "tower_breaker_readiness_wait_seconds_total" []
        "How long tasks waited for the primary to be ready.";
    READINESS_ERRORS: Counter "tower_breaker_readiness_errors_total" []
        "How often the primary's readiness failed.";
    CHECKS: Counter "tower_breaker_checks_total" ["result"]
        "The agent's checks: healthy, failed.";
    CHECKS_FAILED_IN_A_ROW: Gauge "tower_breaker_checks_failed_in_a_row" []
        "How many of the agent's checks have failed since the last good one.";
    EVENTS_LOST: Counter "tower_breaker_events_lost_total" []
        "Events that came faster than the exporter was asked, so that transitions are missing. It has no breaker.";
}
