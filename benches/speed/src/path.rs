use clap::ValueEnum;

/// The way that a call takes through a breaker: a row of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Path {
    /// Closed, all calls succeed, none is slow
    Closed,
    /// As closed, with a `slow_after` set by hand
    SlowAfter,
    /// As closed, with a `slow_after` that has been learned
    Learned,
    /// Closed, and one call in ten fails
    Errors,
    /// Open, calls are rejected
    Rejecting,
    /// Open, calls go to a backup that is ready
    Backup,
    /// Half-open, calls flow to the primary as probes
    HalfOpen,
}

impl Path {
    pub const ALL: &[Self] = Self::value_variants_const();

    const fn value_variants_const() -> &'static [Self] {
        &[
            Self::Closed,
            Self::SlowAfter,
            Self::Learned,
            Self::Errors,
            Self::Rejecting,
            Self::Backup,
            Self::HalfOpen,
        ]
    }

    /// As on the command line.
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
        }
    }

    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Closed => "closed, all calls succeed, no `slow_after`",
            Self::SlowAfter => "closed, `slow_after` set by hand",
            Self::Learned => "closed, `slow_after` has been learned",
            Self::Errors => "closed, one call in ten fails",
            Self::Rejecting => "open, rejecting",
            Self::Backup => "open, to a ready backup",
            Self::HalfOpen => "half-open, probes flow",
        }
    }
}
