//! The console: what it answers, and to whom.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

#[path = "../common"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod common {
    pub(crate) mod breakers;
    pub(crate) mod durations;
    pub(crate) mod registered;
}

mod access;
mod api;
mod configuration;
mod operations;
mod page;
mod shown;
mod stream;
mod support;
