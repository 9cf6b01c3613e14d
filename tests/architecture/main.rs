//! Holds the source tree to `ARCHITECTURE.md`: what may import what, and which test holds which
//! rule.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

mod files;
mod layers;
mod machine;
mod names;
mod rules;
mod source;
