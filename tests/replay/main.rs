//! Recording a live breaker, reading traces good and bad, and replaying them.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

#[path = "../common"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod common {
    pub(crate) mod clock;
    pub(crate) mod durations;
}

mod exact;
mod live;
mod readiness;
mod reading;
mod recorder;
mod reports;
mod suggestions;
mod support;
