//! Instances that stand in for each other.

mod member;
mod outliers;

use std::{
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use self::outliers::OutlierDetector;
pub use self::outliers::Outliers;
pub(crate) use self::{
    member::Member,
    outliers::{CallCounts, Candidate},
};
use crate::{clock::Clock, lock::lock, machine::ConfigError};

/// The breakers of instances that stand in for each other, and what holds for all of them together.
///
/// Statistics alone can be wrong about all instances at once: a bad release, a caller's mistake, a dependency that they share. So no more
/// than a set part of the group's breakers may be open by their own decision ([`max_open_percent`](GroupBuilder::max_open_percent)); one that would have to
/// trip beyond that is held back, and [says so](crate::observe::Transition::HeldBack). One may always be open.
///
/// ```
/// use tower_breaker::{CircuitBreakerLayer, group::{Group, Outliers}};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let group = Group::builder()
///     .max_open_percent(50)
///     .outliers(Outliers::new())
///     .build()?;
/// let layers = ["search-1", "search-2", "search-3"]
///     .map(|instance| CircuitBreakerLayer::builder().name(instance).group(&group).build());
/// # for layer in layers { layer?; }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Group {
    shared: Arc<Shared>,
}

/// Builds a [`Group`].
#[must_use = "a builder does nothing until it builds"]
#[derive(Debug)]
pub struct GroupBuilder {
    max_open_percent: u8,
    panic_below_percent: u8,
    outliers: Option<Outliers>,
    clock: Option<Box<dyn Clock>>,
}

struct Shared {
    max_open_percent: AtomicUsize,
    panic_below_percent: usize,
    breakers: AtomicUsize,
    /// How many of them are open or half-open.
    open: AtomicUsize,
    court: Option<OutlierDetector>,
    members: Mutex<Vec<Weak<dyn Candidate>>>,
}

impl Group {
    /// Starts from the defaults: half of the breakers may be open, no panic, no outliers.
    pub fn builder() -> GroupBuilder {
        GroupBuilder {
            max_open_percent: 50,
            panic_below_percent: 0,
            outliers: None,
            clock: None,
        }
    }

    /// How many breakers there are.
    #[must_use]
    pub fn breakers(&self) -> usize {
        self.shared.breakers.load(Ordering::Relaxed)
    }

    /// How many of them are open or half-open, for whatever reason.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// What was set as [`GroupBuilder::max_open_percent`].
    #[must_use]
    pub fn max_open_percent(&self) -> u8 {
        self.shared.max_open_percent.load(Ordering::Relaxed) as u8
    }

    /// Sets it anew: 1 to 100. What is open stays open.
    ///
    /// # Errors
    ///
    /// It is out of range; nothing has changed then.
    pub fn set_max_open_percent(&self, percent: u8) -> Result<(), ConfigError> {
        check_max_open(percent)?;
        self.shared.max_open_percent.store(percent.into(), Ordering::Relaxed);
        Ok(())
    }

    /// Whether so few are closed that all instances are used again: see [`GroupBuilder::panic_below_percent`].
    #[must_use]
    pub fn is_panicking(&self) -> bool {
        self.shared.is_panicking()
    }

    pub(crate) fn join(&self) -> Arc<Member> {
        Arc::new(Member::of(self.shared.clone()))
    }
}

impl Shared {
    fn is_panicking(&self) -> bool {
        let breakers = self.breakers.load(Ordering::Relaxed);
        let closed = breakers.saturating_sub(self.open.load(Ordering::Relaxed));
        closed * 100 < self.panic_below_percent * breakers
    }

    /// Of how many breakers at most a trip on statistics may make one more be open.
    fn most_open(&self) -> usize {
        let percent = self.max_open_percent.load(Ordering::Relaxed);
        (self.breakers.load(Ordering::Relaxed) * percent / 100).max(1)
    }

    fn members(&self) -> Vec<Arc<dyn Candidate>> {
        let mut members = lock(&self.members);
        members.retain(|member| member.strong_count() > 0);
        members.iter().filter_map(Weak::upgrade).collect()
    }
}

impl GroupBuilder {
    /// How many of the group's breakers may be open by their own decision, rounded down, though always one: 1 to 100 percent. Default: 50.
    ///
    /// Those that are open for another reason (by hand, by the [agent](crate::agent::Agent)'s checks) count, and are never held back.
    pub fn max_open_percent(mut self, percent: u8) -> Self {
        self.max_open_percent = percent;
        self
    }

    /// Uses all instances again while fewer of the breakers than this are closed: to spread the load over sick instances is better then than
    /// to bring it down on the few that are left. Only what is [forced open](crate::snapshot::Mode::ForcedOpen) is left out. 0 to 100 percent; default: 0, never.
    ///
    /// The breakers go on probing meanwhile. The calls that are let through for this reason tell them nothing.
    pub fn panic_below_percent(mut self, percent: u8) -> Self {
        self.panic_below_percent = percent;
        self
    }

    /// Trips breakers whose instance fails clearly more often than the others. Default: none.
    pub fn outliers(mut self, outliers: impl Into<Option<Outliers>>) -> Self {
        self.outliers = outliers.into();
        self
    }

    /// Takes the time from here. Default: tokio's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Box::new(clock));
        self
    }

    /// The group.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range.
    pub fn build(self) -> Result<Group, ConfigError> {
        let Self {
            max_open_percent,
            panic_below_percent,
            outliers,
            clock,
        } = self;
        check_max_open(max_open_percent)?;
        if panic_below_percent > 100 {
            return Err(ConfigError::out_of_range(
                "panic_below_percent",
                panic_below_percent,
                "0 to 100",
            ));
        }
        Ok(Group {
            shared: Arc::new(Shared {
                max_open_percent: AtomicUsize::new(max_open_percent.into()),
                panic_below_percent: panic_below_percent.into(),
                breakers: AtomicUsize::new(0),
                open: AtomicUsize::new(0),
                court: outliers
                    .map(|outliers| OutlierDetector::new(outliers, clock))
                    .transpose()?,
                members: Mutex::default(),
            }),
        })
    }
}

fn check_max_open(percent: u8) -> Result<(), ConfigError> {
    if !(1..=100).contains(&percent) {
        return Err(ConfigError::out_of_range("max_open_percent", percent, "1 to 100"));
    }
    Ok(())
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("breakers", &self.breakers())
            .field("open", &self.open())
            .field("max_open_percent", &self.max_open_percent())
            .field("panic_below_percent", &self.shared.panic_below_percent)
            .finish_non_exhaustive()
    }
}
