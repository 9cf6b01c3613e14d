use clap::ValueEnum;

use crate::{
    floors, ours,
    path::Path,
    peers::{failsafe, recloser, seatbelt, tower_resilience},
    primary::Primary,
    subject::Subject,
};

/// Whose cost is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Contestant {
    Ours,
    TowerResilience,
    Seatbelt,
    Failsafe,
    FailsafeConsecutive,
    Recloser,
    Bare,
    Instant,
    Quanta,
}

impl Contestant {
    pub const ALL: &[Self] = &[
        Self::Ours,
        Self::TowerResilience,
        Self::Seatbelt,
        Self::Failsafe,
        Self::FailsafeConsecutive,
        Self::Recloser,
        Self::Bare,
        Self::Instant,
        Self::Quanta,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "tower-breaker",
            Self::TowerResilience => "tower-resilience",
            Self::Seatbelt => "seatbelt",
            Self::Failsafe => "failsafe",
            Self::FailsafeConsecutive => "failsafe-consecutive",
            Self::Recloser => "recloser",
            Self::Bare => "bare",
            Self::Instant => "instant-pair",
            Self::Quanta => "quanta-pair",
        }
    }

    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Ours => "this project's layer, default policy",
            Self::TowerResilience => "tower-resilience-circuitbreaker 0.14, a Tower layer, defaults",
            Self::Seatbelt => "seatbelt 0.11, a Tower layer, defaults",
            Self::Failsafe => "failsafe 1.3 around a future, defaults",
            Self::FailsafeConsecutive => "failsafe 1.3, consecutive failures only: it knows no time",
            Self::Recloser => "recloser 1.4 around a future, defaults: it knows no time",
            Self::Bare => "a floor: no breaker",
            Self::Instant => "a floor: two `Instant`s, and their difference added up",
            Self::Quanta => "a floor: the same with the crate quanta",
        }
    }

    #[must_use]
    pub const fn is_floor(self) -> bool {
        matches!(self, Self::Bare | Self::Instant | Self::Quanta)
    }

    /// In the state of this path, around this primary; `None` where it has no such path.
    #[must_use]
    pub fn subject<P: Primary>(self, path: Path, primary: P) -> Option<Box<dyn Subject>> {
        match self {
            Self::Ours => Some(ours::subject(path, primary)),
            Self::TowerResilience => tower_resilience::subject(path, primary),
            Self::Seatbelt => seatbelt::subject(path, primary),
            Self::Failsafe => failsafe::subject(path, primary),
            Self::FailsafeConsecutive => failsafe::consecutive_only(path, primary),
            Self::Recloser => recloser::subject(path, primary),
            Self::Bare => floors::bare(path, primary),
            Self::Instant => floors::instant(path, primary),
            Self::Quanta => floors::quanta(path, primary),
        }
    }
}
