use std::ops::Deref;
#[cfg(breaker_loom)]
use std::sync::Arc;

use super::lanes::Lanes;

/// Lanes that are never freed, so that a healthy call needn't count that it holds them: where a breaker is gone, the next one has them.
#[derive(Clone, Debug)]
pub(super) struct KeptLanes {
    #[cfg(not(breaker_loom))]
    lanes: &'static Lanes,
    /// What loom looks at ends with each run of a model.
    #[cfg(breaker_loom)]
    lanes: Arc<Lanes>,
}

impl Deref for KeptLanes {
    type Target = Lanes;

    #[inline(always)]
    fn deref(&self) -> &Lanes {
        #[cfg(not(breaker_loom))]
        return self.lanes;
        #[cfg(breaker_loom)]
        return &self.lanes;
    }
}

#[cfg(breaker_loom)]
impl KeptLanes {
    pub(super) fn take() -> Self {
        Self {
            lanes: Arc::new(Lanes::new()),
        }
    }

    pub(super) fn give_back(&self) {}
}

#[cfg(not(breaker_loom))]
mod free {
    #[cfg(feature = "keyed")]
    use std::sync::OnceLock;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::{KeptLanes, Lanes};

    /// Nobody's lanes.
    static FREE: Mutex<Vec<&Lanes>> = Mutex::new(Vec::new());

    fn free() -> MutexGuard<'static, Vec<&'static Lanes>> {
        FREE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl KeptLanes {
        pub(in crate::breaker) fn take() -> Self {
            let free = free().pop();
            Self {
                lanes: free.unwrap_or_else(|| Box::leak(Box::new(Lanes::new()))),
            }
        }

        /// No way past the lock: all that have none share these.
        #[cfg(feature = "keyed")]
        pub(in crate::breaker) fn none() -> Self {
            static NONE: OnceLock<Lanes> = OnceLock::new();
            Self {
                lanes: NONE.get_or_init(|| Lanes::with(Vec::new())),
            }
        }

        /// Nobody's from here on.
        pub(in crate::breaker) fn give_back(&self) {
            free().push(self.lanes);
        }
    }
}
