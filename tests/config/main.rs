//! What a configuration may be, what it says where it may not, and how it is written.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

#[path = "../common"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod common {
    pub(crate) mod clock;
}

mod accepted;
mod arbitrary;
mod extremes;
mod reconfigured;
mod refused;
mod written;
