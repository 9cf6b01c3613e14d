//! What a call through a circuit breaker costs.

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
