//! The console: what it answers, and to whom.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

mod access;
mod api;
mod configuration;
mod operations;
mod page;
mod shown;
mod stream;
mod support;
