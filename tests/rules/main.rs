//! The rules that the breaker keeps. Each has bitten a real breaker; the number of the rule stands above its tests.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

mod decisions;
mod events;
mod half_open;
mod healthy;
mod learned;
mod manual;
mod panics;
mod permits;
mod readiness;
mod shard_reuse;
mod stacks;
mod stress;
mod support;
mod time;
mod traffic;
mod waiting;
