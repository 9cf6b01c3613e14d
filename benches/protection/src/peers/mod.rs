//! The other circuit breakers: real crates where their clock can be made virtual, else re-implemented.

use fastrand::Rng;

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
mod tally;
#[cfg(target_os = "linux")]
mod tower_resilience;
mod tower_service;

pub use roster::roster;

/// A peer's own randomness: other than what a simulator that has the same seed draws.
fn rng(seed: u64) -> Rng {
    Rng::with_seed(seed ^ 0x7065_6572)
}
