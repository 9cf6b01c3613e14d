//! The agent: it checks instances that get no calls.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

#[path = "../common"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod common {
    pub(crate) mod breakers;
    pub(crate) mod durations;
    pub(crate) mod machine;
    pub(crate) mod primary;
    pub(crate) mod sockets;
}

mod checks;
mod http_get;
mod machine;
mod recovery;
mod schedule;
mod support;
mod trips;
