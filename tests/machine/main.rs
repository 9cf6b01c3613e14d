//! The decisions of the pure machine: when it trips, how long it stays open, and how it comes back.
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

mod decisions;
mod half_open;
mod healthy;
mod learned;
mod support;
mod traffic;
