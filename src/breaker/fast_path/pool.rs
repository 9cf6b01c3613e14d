//! Blocks of shards that are never freed, so that a healthy call needn't count that it holds one.
//!
//! A breaker that is gone gives its block to the pool; the next breaker takes it once it has
//! drained. So no call can end in another breaker's block, however late it ends. A permit that is
//! forgotten never ends, nor does a diverted call whose service panics as it gives up its primary.
//! Such a block stays in the pool for good. It doesn't slow the next breaker down, since that asks
//! a few blocks only.
//!
//! # Memory ordering
//!
//! A block is taken only where as many calls have ended as were given a permit. The ends are
//! counted with release and read with acquire: the next owner sees all that the calls of the last
//! one have written, and takes its counts as they stand for the beginning. No call can start while
//! a block is in the pool, since starting takes a handle of its owner; the pool's lock orders the
//! last start before the comparison.

use std::{collections::VecDeque, ops::Deref};

use super::{
    shards::Shards,
    sync::{Mutex, lock, shards_needed},
};

/// A block of shards that outlives its breaker.
#[derive(Clone, Debug)]
pub(crate) struct PooledShards(Block);

#[cfg(not(breaker_loom))]
type Block = &'static Shards;
/// Under loom a block ends with each run of a model.
#[cfg(breaker_loom)]
type Block = std::sync::Arc<Shards>;

type Pool = Mutex<VecDeque<PooledShards>>;

#[cfg(not(breaker_loom))]
static POOL: Pool = Mutex::new(VecDeque::new());
#[cfg(breaker_loom)]
loom::lazy_static! {
    static ref POOL: Pool = Mutex::new(VecDeque::new());
}

/// At most so many blocks are asked whether they have drained, however many wait in the pool.
const ASKED: usize = 4;

impl PooledShards {
    pub(crate) fn take() -> Self {
        let mut pool = lock(&POOL);
        for _ in 0..ASKED.min(pool.len()) {
            match pool.pop_front() {
                Some(block) if block.is_drained() => return block,
                // To the back: its turn comes again.
                undrained => pool.extend(undrained),
            }
        }
        drop(pool);
        Self::made(Shards::new(shards_needed(), true))
    }

    /// Returns the block of all breakers that have no fast path.
    #[cfg(feature = "keyed")]
    pub(crate) fn disabled() -> Self {
        #[cfg(not(breaker_loom))]
        {
            static DISABLED: std::sync::OnceLock<Shards> = std::sync::OnceLock::new();
            Self(DISABLED.get_or_init(|| Shards::new(1, false)))
        }
        #[cfg(breaker_loom)]
        Self::made(Shards::new(1, false))
    }

    /// Leaves the block to the next breaker, once its calls have ended.
    pub(crate) fn give_back(&self) {
        if !self.is_enabled() {
            return;
        }
        self.detach();
        let mut pool = lock(&POOL);
        if self.is_drained() {
            pool.push_front(self.clone());
        } else {
            pool.push_back(self.clone());
        }
    }

    fn made(shards: Shards) -> Self {
        #[cfg(not(breaker_loom))]
        return Self(Box::leak(Box::new(shards)));
        #[cfg(breaker_loom)]
        return Self(std::sync::Arc::new(shards));
    }
}

impl Deref for PooledShards {
    type Target = Shards;

    #[inline(always)]
    fn deref(&self) -> &Shards {
        #[cfg(not(breaker_loom))]
        return self.0;
        #[cfg(breaker_loom)]
        return &self.0;
    }
}
