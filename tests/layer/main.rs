//! The breaker and its layer: permits, events, control, readiness, and the stacks that the layer
//! stands in.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

#[path = "../common"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod common {
    pub(crate) mod breakers;
    pub(crate) mod clock;
    pub(crate) mod durations;
    pub(crate) mod machine;
    pub(crate) mod primary;
}

mod balancer;
mod control;
mod events;
mod panics;
mod permits;
mod readiness;
mod stacks;
mod support;
mod time;
mod waiting;
