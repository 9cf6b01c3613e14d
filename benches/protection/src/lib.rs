//! A deterministic benchmark of circuit breakers in simulated time: how many answers do users lose?
//!
//! A [`scenario`] says what goes wrong, [`sim`] runs it against a [`contestant`], and [`measure`]
//! counts what users lost. [`run`] does that for every scenario, seed and entry of the [`roster`];
//! [`ranking`], [`table`], [`plot`] and [`report`] present the results. [`bounds`] compares this
//! project's figures with the recorded ones.

pub mod bounds;
pub mod contestant;
pub mod entry;
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
