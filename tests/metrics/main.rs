//! Figures: that they are right, and that those who keep them can read them.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

mod dashboards;
mod facade;
mod meter;
mod support;
mod text;
