//! The builder of a group: its settings and their ranges.

use std::sync::{Arc, Mutex, atomic::AtomicUsize};

use super::{Group, detector::OutlierDetector, outliers::Outliers, state::GroupState};
use crate::{clock::Clock, machine::ConfigError};

/// A builder of a [`Group`].
#[must_use = "a builder does nothing until it builds"]
#[derive(Debug)]
pub struct GroupBuilder {
    max_open_percent: u8,
    panic_below_percent: u8,
    outliers: Option<Outliers>,
    clock: Option<Box<dyn Clock>>,
}

impl GroupBuilder {
    pub(super) fn new() -> Self {
        Self {
            max_open_percent: 50,
            panic_below_percent: 0,
            outliers: None,
            clock: None,
        }
    }

    /// Sets how many of the group's breakers may be open by their own decision: 1 to 100 percent,
    /// rounded down, but always one. Default: 50.
    ///
    /// Breakers that are open for another reason count as well, but are never held back: those that
    /// an operator opened, or that the [agent](crate::agent::Agent)'s checks tripped.
    pub fn max_open_percent(mut self, percent: u8) -> Self {
        self.max_open_percent = percent;
        self
    }

    /// Uses all instances again while less than this share of the breakers is closed: 0 to 100
    /// percent. Default: 0, never.
    ///
    /// It is better then to spread the load over sick instances than to bring down the few that are
    /// left. Only instances that are [forced open](crate::snapshot::Mode::ForcedOpen) are left out.
    /// The breakers go on probing meanwhile, and ignore the calls that are admitted for this
    /// reason.
    pub fn panic_below_percent(mut self, percent: u8) -> Self {
        self.panic_below_percent = percent;
        self
    }

    /// Trips breakers whose instance fails clearly more often than the others. Default: none.
    pub fn outliers(mut self, outliers: impl Into<Option<Outliers>>) -> Self {
        self.outliers = outliers.into();
        self
    }

    /// Sets the clock by which breakers are compared. Default: tokio's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Box::new(clock));
        self
    }

    /// Builds the group.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range.
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
            state: Arc::new(GroupState {
                max_open_percent: AtomicUsize::new(max_open_percent.into()),
                panic_below_percent: panic_below_percent.into(),
                breakers: AtomicUsize::new(0),
                open: AtomicUsize::new(0),
                detector: outliers
                    .map(|outliers| OutlierDetector::new(outliers, clock))
                    .transpose()?,
                candidates: Mutex::default(),
            }),
        })
    }
}

/// Checks that a percentage of open breakers is from 1 to 100.
///
/// # Errors
///
/// Returns an error that names `max_open_percent` if it is out of range.
pub(super) fn check_max_open(percent: u8) -> Result<(), ConfigError> {
    if !(1..=100).contains(&percent) {
        return Err(ConfigError::out_of_range("max_open_percent", percent, "1 to 100"));
    }
    Ok(())
}
