//! What a call through a circuit breaker costs.

pub mod contestant;
mod floors;
pub mod instructions;
mod lazy;
mod ours;
pub mod path;
mod peers;
pub mod primary;
pub mod statistics;
pub mod subject;
pub mod threads;
pub mod timing;
