//! The fast path: calls of a healthy primary, and refusals while the breaker is open, pass the
//! breaker's lock by.
//!
//! # A call
//!
//! ```text
//! start   load the gate word; not open: slow path. This thread's shard: started += 1.
//!         The permit is two words: the block, and the gate word.
//! end     load the gate word; not the permit's: slow path. This thread's shard: good[parity] += 1.
//! locked  read all counts; report what is new to the machine. Before the generation changes, close
//!         the gate and read once more; then publish a new word.
//! reuse   the breaker is gone: its block waits in the pool until as many calls ended as began.
//! ```
//!
//! # Invariants
//!
//! - Nothing is decided here: a call that finds anything out of the ordinary takes the lock.
//! - Counts only grow. The reader keeps what it has taken, and takes the rest.
//! - A good call is evidence in its own generation only. A thread that stands still between its
//!   check of the gate and its add counts late, in its generation's parity: if a new generation has
//!   begun, the next reader finds the call stale; if not, and the gate is closed, the next step
//!   records it. Only two new generations between that check and that add, two neighboring
//!   instructions, would let one good call count in the wrong one.
//! - A block has one owner at a time. Each permit counts its end in the block exactly once. An
//!   untimed call does nothing else there after that; a timed one holds its breaker, and with it
//!   the block. So a drained block has no call that could end in it.
//! - A refusal that stands still between its check and its add, until the breaker has closed and
//!   opened again, counts one rejection in the wrong opening.
//! - A call's deadline is in one wheel from its start to its end, or until it is overdue, or until
//!   a new generation begins.
//!
//! # Concepts
//!
//! 1. [`Gate`](gate::Gate) and its word, which is the permit's ticket.
//! 2. [`Shards`](shards::Shards), a block with an owner.
//! 3. [`Shard`](shard::Shard), and which one is a thread's.
//! 4. [`Counter`](counter::Counter), with the owner's plain stores.
//! 5. Thread numbers (`sync`).
//! 6. Parity of generations.
//! 7. Late calls.
//! 8. [`ShardReader`]: what has been taken.
//! 9. The window in which the machine takes batches.
//! 10. When an evaluation is due, and when that was published.
//! 11. A [`DeadlineWheel`](super::deadlines::DeadlineWheel) a shard.
//! 12. Samples: one call in 64 is timed, and some are for the latency estimator.
//! 13. Refusals, and when to retry.
//! 14. The pool, and draining.
//! 15. [`FastPermit`], taken word by word.
//!
//! # Memory ordering
//!
//! Each file with atomics has a section on it. The pairs: the gate's word and its times (`gate`),
//! starts and ends (`counter`, `shards`), counts and the next owner (`pool`). The models of
//! `tests/loom` break where the gate's word or a counter is weakened; for `evaluate_at`,
//! `slow_ends` and the breaker's `generation` there is no model that needs the ordering. The gate
//! and the counts aren't ordered against each other, and needn't be: that is what parities are for.
//!
//! # Inlining
//!
//! `inline(always)` stands on what a healthy, a rejected or a diverted call runs through: the
//! permit is then written where it stays. `inline(never)` stands on what those calls seldom need,
//! which keeps them small.

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
    permit::{FastPermit, SlowEnd, TimedFastPermit},
    pool::PooledShards,
    reader::ShardReader,
    shards::{Admission, Counts},
    sync::{AtomicU64, Mutex, Ordering, lock},
};
