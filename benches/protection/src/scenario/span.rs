//! Durations in a scenario's file: fixed, or drawn anew in each run.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

use crate::random::Random;

/// A duration, written as people write it: `"240s"`, `"1m 30s"`, `"20ms"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = humantime::parse_duration(&text).map_err(|error| {
            D::Error::custom(format!(
                "{text:?} is no duration such as \"1m 30s\" or \"20ms\": {error}"
            ))
        })?;
        if duration > LONGEST {
            return Err(D::Error::custom(format!("{text:?} is longer than a year")));
        }
        Ok(Self(duration))
    }
}

/// A duration that each run draws anew, or a fixed one: `"60s"`, `{ uniform = ["30s", "90s"] }`, `{
/// exponential = "8s" }`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a duration, { uniform = [from, to] } or { exponential = mean }"
)]
pub enum Draw {
    Fixed(Span),
    Uniform { uniform: (Span, Span) },
    Exponential { exponential: Span },
}

impl Draw {
    pub fn draw(self, random: &mut Random) -> Duration {
        match self {
            Self::Fixed(span) => span.0,
            Self::Uniform { uniform: (from, to) } => random.between(from.0, to.0),
            Self::Exponential { exponential } => random.exponential(exponential.0),
        }
    }

    pub(super) fn is_sound(self) -> bool {
        match self {
            Self::Fixed(_) => true,
            Self::Uniform { uniform: (from, to) } => from <= to,
            Self::Exponential { exponential } => !exponential.0.is_zero(),
        }
    }
}
