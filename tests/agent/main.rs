//! The agent: it checks instances that nobody calls.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

mod checks;
mod http_get;
mod machine;
mod recovery;
mod schedule;
mod support;
mod trips;
