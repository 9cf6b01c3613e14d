//! Makes breakers: what those of one layer have in common, and whether each has shards of its own.
//!
//! The layer's builder, the store of keyed breakers and a replay call this.

use std::{fmt, sync::Arc};

use super::{breaker::Breaker, fast_path::PooledShards, shared::SharedBreaker};
use crate::{
    clock::Clock,
    config::Config,
    group::Group,
    machine::{ConfigError, Machine, Settings, SlowAfter},
    observe::Observers,
};

/// A factory of breakers: it holds what those of one layer have in common.
#[derive(Clone)]
pub(crate) struct BreakerFactory {
    /// What [`SlowAfter::Auto`] stands for.
    pub(crate) auto: SlowAfter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observers: Arc<Observers>,
    pub(crate) group: Option<Group>,
}

impl BreakerFactory {
    /// Makes a factory with tokio's clock and no observers.
    #[cfg(any(test, feature = "replay"))]
    pub(crate) fn new(auto: SlowAfter) -> Self {
        Self {
            auto,
            clock: Arc::new(crate::clock::TokioClock::new()),
            observers: Arc::default(),
            group: None,
        }
    }

    /// Makes a breaker with shards of its own, so that threads don't contend.
    pub(crate) fn breaker(&self, config: Config, seed: u64) -> Result<Breaker, ConfigError> {
        config.check()?;
        let Config { name, settings } = config;
        self.with_shards(name, Arc::new(settings), seed, PooledShards::take)
    }

    /// Makes a breaker that takes less memory, for very many keys. Its calls share one lock.
    #[cfg(feature = "keyed")]
    pub(crate) fn small_breaker(
        &self,
        name: Arc<str>,
        settings: Arc<Settings>,
        seed: u64,
    ) -> Result<Breaker, ConfigError> {
        self.with_shards(name, settings, seed, PooledShards::disabled)
    }

    fn with_shards(
        &self,
        name: Arc<str>,
        settings: Arc<Settings>,
        seed: u64,
        shards: impl FnOnce() -> PooledShards,
    ) -> Result<Breaker, ConfigError> {
        // The settings may be refused here, so the shards are taken after it.
        let machine = Machine::with_auto_as(self.auto, settings, seed)?;
        let member = self.group.as_ref().map(Group::join);
        let shared = SharedBreaker::new(self, name, machine, member, shards());
        if let Some(member) = &shared.member {
            member.compare(Arc::downgrade(&shared) as _);
        }
        Ok(Breaker::new(&shared))
    }
}

impl fmt::Debug for BreakerFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerFactory")
            .field("auto", &self.auto)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(breaker_loom)))]
mod tests {
    use super::*;
    use crate::machine::SlowCallRate;

    #[test]
    fn settings_that_are_refused_take_no_shards() {
        // Without a backup, nothing says which calls are slow.
        let settings = Settings::default().trip_when(SlowCallRate::at_least(0.5));
        let factory = BreakerFactory::new(SlowAfter::Never);
        let shards = || panic!("they would never be given back");
        assert!(factory.with_shards("a".into(), Arc::new(settings), 0, shards).is_err());
    }
}
