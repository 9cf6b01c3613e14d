//! Figures: that they are right, and that those who keep them can read them.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

#[path = "../common"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod common {
    pub(crate) mod breakers;
    pub(crate) mod durations;
    pub(crate) mod registered;
}

mod dashboards;
mod facade;
mod meter;
mod support;
mod text;
