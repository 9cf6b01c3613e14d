//! How many answers do users lose? A deterministic benchmark of circuit breakers, in simulated time.

pub mod bounds;
pub mod contestant;
pub mod measure;
pub mod ours;
mod parallel;
pub mod peers;
pub mod plot;
mod random;
pub mod ranking;
pub mod report;
pub mod roster;
pub mod run;
pub mod scenario;
pub mod select;
pub mod sim;
pub mod statistics;
pub mod table;
#[cfg(target_os = "linux")]
pub mod virtual_clock;
mod world;
