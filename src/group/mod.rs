//! Groups of breakers whose instances stand in for each other.
//!
//! A [`Group`] bounds how many of its breakers may be open by their own decision, uses all
//! instances again when too few are closed, and trips [`Outliers`]. It doesn't depend on the
//! breakers: each one owns a `Member` of its group, and implements `Candidate` to be compared.

mod builder;
mod detector;
mod member;
mod outliers;
mod state;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

pub use self::{builder::GroupBuilder, outliers::Outliers};
use self::{builder::check_max_open, state::GroupState};
pub(crate) use self::{
    detector::{CallCounts, Candidate},
    member::Member,
};
use crate::machine::ConfigError;

/// A group of breakers whose instances stand in for each other, and what holds for all of them.
///
/// Statistics can be wrong about all instances at once: a bad release, a caller's mistake, a
/// dependency that they share. So only a part of the group's breakers may be open by their own
/// decision ([`max_open_percent`](GroupBuilder::max_open_percent)), but always one. A breaker that
/// would trip beyond that is held back, and emits
/// [`HeldBack`](crate::observe::Transition::HeldBack).
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
    state: Arc<GroupState>,
}

impl Group {
    /// Returns a builder with the defaults: half of the breakers may be open, no panic, no
    /// outliers.
    pub fn builder() -> GroupBuilder {
        GroupBuilder::new()
    }

    /// Returns the number of breakers.
    #[must_use]
    pub fn breakers(&self) -> usize {
        self.state.breakers.load(Ordering::Relaxed)
    }

    /// Returns the number of breakers that are open or half-open, for any reason.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.state.open.load(Ordering::Relaxed)
    }

    /// Returns how many percent of the breakers may be open by their own decision.
    #[must_use]
    pub fn max_open_percent(&self) -> u8 {
        self.state.max_open_percent.load(Ordering::Relaxed) as u8
    }

    /// Sets how many percent of the breakers may be open by their own decision: 1 to 100.
    ///
    /// Breakers that are open stay open.
    ///
    /// # Errors
    ///
    /// Returns an error if the percentage is out of range. Nothing changes then.
    pub fn set_max_open_percent(&self, percent: u8) -> Result<(), ConfigError> {
        check_max_open(percent)?;
        self.state.max_open_percent.store(percent.into(), Ordering::Relaxed);
        Ok(())
    }

    /// Returns whether so few breakers are closed that all instances are used again.
    ///
    /// See [`GroupBuilder::panic_below_percent`].
    #[must_use]
    pub fn is_panicking(&self) -> bool {
        self.state.is_panicking()
    }

    /// Adds a breaker, and returns its membership.
    pub(crate) fn join(&self) -> Arc<Member> {
        Arc::new(Member::of(self.state.clone()))
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("breakers", &self.breakers())
            .field("open", &self.open_count())
            .field("max_open_percent", &self.max_open_percent())
            .field("panic_below_percent", &self.state.panic_below_percent)
            .finish_non_exhaustive()
    }
}
