//! The paths: the states of a breaker in which a call is measured.

use clap::{ValueEnum, builder::PossibleValue};

/// The path that a call takes through a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Closed,
    SlowAfter,
    Learned,
    Errors,
    Rejecting,
    Backup,
    HalfOpen,
    FastClock,
    Keyed,
}

impl Path {
    pub const ALL: &[Self] = &[
        Self::Closed,
        Self::SlowAfter,
        Self::Learned,
        Self::Errors,
        Self::Rejecting,
        Self::Backup,
        Self::HalfOpen,
        Self::FastClock,
        Self::Keyed,
    ];

    /// Returns the name on the command line and in the tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::SlowAfter => "slow-after",
            Self::Learned => "learned",
            Self::Errors => "errors",
            Self::Rejecting => "rejecting",
            Self::Backup => "backup",
            Self::HalfOpen => "half-open",
            Self::FastClock => "fast-clock",
            Self::Keyed => "keyed",
        }
    }

    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Closed => "closed, all calls succeed, none is slow",
            Self::SlowAfter => "closed, slow_after set by hand",
            Self::Learned => "closed, slow_after has been learned",
            Self::Errors => "closed, one call in ten fails",
            Self::Rejecting => "open, rejecting",
            Self::Backup => "open, to a backup that is ready",
            Self::HalfOpen => "half-open, calls flow as probes",
            Self::FastClock => "closed, slow_after set by hand, the faster clock",
            Self::Keyed => "closed, none is slow, a breaker for each of 100 keys in turn",
        }
    }
}

impl ValueEnum for Path {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.about()))
    }
}
