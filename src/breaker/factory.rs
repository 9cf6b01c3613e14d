use std::{fmt, sync::Arc};

use super::{Breaker, inner::Inner, kept::KeptLanes};
use crate::{
    clock::Clock,
    config::Config,
    group::Group,
    machine::{ConfigError, Machine, Settings, SlowAfter},
    observe::Observers,
};

/// What breakers are made by: all that those of one layer have in common.
#[derive(Clone)]
pub(crate) struct BreakerFactory {
    /// What [`SlowAfter::Auto`] stands for.
    pub(crate) auto: SlowAfter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observers: Arc<Observers>,
    pub(crate) group: Option<Group>,
}

impl BreakerFactory {
    /// With tokio's clock, and nobody to tell.
    #[cfg(feature = "replay")]
    pub(crate) fn new(auto: SlowAfter) -> Self {
        Self {
            auto,
            clock: Arc::new(crate::clock::TokioClock::new()),
            observers: Arc::default(),
            group: None,
        }
    }

    /// One whose calls don't get into each other's way, however many threads make them.
    pub(crate) fn breaker(&self, config: Config, seed: u64) -> Result<Breaker, ConfigError> {
        config.check()?;
        let Config { name, settings } = config;
        self.with_lanes(name, Arc::new(settings), seed, KeptLanes::take())
    }

    /// One that takes less memory, for as many of them as there may be keys: its calls share one lock.
    #[cfg(feature = "keyed")]
    pub(crate) fn small_breaker(
        &self,
        name: Arc<str>,
        settings: Arc<Settings>,
        seed: u64,
    ) -> Result<Breaker, ConfigError> {
        self.with_lanes(name, settings, seed, KeptLanes::none())
    }

    fn with_lanes(
        &self,
        name: Arc<str>,
        settings: Arc<Settings>,
        seed: u64,
        lanes: KeptLanes,
    ) -> Result<Breaker, ConfigError> {
        let machine = Machine::with_auto_as(self.auto, settings, seed)?;
        let member = self.group.as_ref().map(Group::join);
        let inner = Inner::new(self, name, machine, member, lanes);
        if let Some(member) = &inner.member {
            member.compare(Arc::downgrade(&inner) as _);
        }
        Ok(Breaker::new(&inner))
    }
}

impl fmt::Debug for BreakerFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blueprint")
            .field("auto", &self.auto)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
