//! Breakers that many threads use at the same time, and the memory that breakers hand on.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

#[path = "../common"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod common {
    pub(crate) mod breakers;
    pub(crate) mod clock;
    pub(crate) mod durations;
    pub(crate) mod generated;
    pub(crate) mod group;
    pub(crate) mod primary;
}

mod batched_equals_unbatched;
mod keys_and_groups;
mod shard_reuse;
mod stress;
mod support;
