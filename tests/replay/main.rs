//! Recording a live breaker, reading traces good and bad, and replaying them.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

mod exact;
mod live;
mod readiness;
mod reading;
mod recorder;
mod reports;
mod suggestions;
mod support;
