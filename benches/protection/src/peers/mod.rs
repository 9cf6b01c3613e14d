//! The other circuit breakers. A crate takes part itself if its clock can be made virtual; other
//! breakers are re-implemented.

use fastrand::Rng;

mod call_counts;
#[cfg(target_os = "linux")]
mod failsafe;
mod go_zero;
mod gobreaker;
mod linkerd;
mod none;
mod polly;
#[cfg(target_os = "linux")]
mod recloser;
mod resilience4j;
mod roster;
#[cfg(test)]
mod script;
mod seatbelt;
mod semian;
mod semian_pid;
mod sre_throttle;
#[cfg(target_os = "linux")]
mod tower_resilience;
mod tower_service;

pub use roster::roster;

/// Creates a peer's own generator. Its draws differ from those of a simulator with the same seed.
fn rng(seed: u64) -> Rng {
    Rng::with_seed(seed ^ 0x7065_6572)
}
