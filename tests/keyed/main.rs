//! A breaker for each key.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

#[path = "../common"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod common {
    pub(crate) mod breakers;
    pub(crate) mod durations;
    pub(crate) mod events;
    pub(crate) mod keyed;
}

mod eviction;
mod keys;
mod readiness;
