//! A benchmark of what a call through a circuit breaker costs: time, instructions and memory.
//!
//! A [`subject::Subject`] is one contestant in the state that one [`path::Path`] describes. [`run`]
//! measures all subjects in turns, [`figures`] holds what was measured, [`budget`] compares it with
//! this project's limits, and [`table`] and [`report`] write it down. [`guard`] compares
//! instruction counts with the recorded ones.

pub mod budget;
pub mod console;
pub mod contestant;
pub mod figures;
mod floors;
pub mod guard;
pub mod instructions;
pub mod keys;
mod lazy;
mod memory;
mod number;
mod ours;
pub mod path;
mod peers;
mod plot;
pub mod primary;
pub mod report;
pub mod row;
pub mod run;
pub mod scaling;
pub mod statistics;
pub mod subject;
pub mod table;
mod threads;
pub mod timing;
mod waited;
