//! The fast path: a call of a healthy primary passes the breaker's lock by.

mod counter;
mod gate;
mod permit;
mod pool;
mod reader;
mod shard;
mod shards;
mod sync;

pub(crate) use self::shards::{FastRefusal, SlowPath};
pub(super) use self::{
    gate::GateWord,
    permit::{FastPermit, TimedFastPermit},
    pool::PooledShards,
    reader::ShardReader,
    shards::{Admission, Counts, index_among_others},
    sync::{AtomicU64, Mutex, Ordering, thread_number, thread_number_if_known},
};
