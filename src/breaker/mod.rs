//! The handle that threads share: a machine behind one short lock, and a fast path past it.
//!
//! [`SharedBreaker`](shared::SharedBreaker) is what is counted, [`LockedState`](state::LockedState)
//! what is locked. `fast_path` is what healthy calls run through, and refused ones; `deadlines`
//! finds calls that hang.

#[expect(clippy::module_inception, reason = "the handle is what this is about")]
mod breaker;
mod calls;
mod control;
mod deadlines;
mod factory;
mod fast_path;
mod permit;
mod shard_handle;
mod shared;
mod snapshot;
mod state;
mod timeline;
mod waiters;

pub use self::{
    breaker::Breaker,
    permit::Permit,
    snapshot::{CallTotals, LastError, ReadinessTotals, Snapshot, Totals},
};
pub(crate) use self::{breaker::WeakBreaker, factory::BreakerFactory, fast_path::SlowPath, shard_handle::Refused};
