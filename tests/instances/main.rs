//! Many breakers: one for each key, those that a registry knows, and groups of them.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

mod balancer;
mod configs;
mod eviction;
mod group;
mod keyed;
mod many_threads;
mod outliers;
mod readiness;
mod registry;
mod support;
