//! What a configuration may be, what it says where it may not, and how it is written.
#![allow(clippy::unwrap_used)]

mod accepted;
mod arbitrary;
mod clock;
mod extremes;
mod reconfigured;
mod refused;
mod written;
