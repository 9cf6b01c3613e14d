//! Faults: what goes wrong, and when.

use std::time::Duration;

use serde::Deserialize;
use tower_breaker::clock::Timestamp;

use super::{Draw, Scenario, Span};
use crate::random::Random;

/// Something that goes wrong for a time: once, every so often, or on and off.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins.
    pub from: Draw,
    /// How long it lasts; by default until the scenario ends.
    #[serde(default)]
    pub lasts: Option<Draw>,
    /// The time from one beginning to the next, if it comes again.
    #[serde(default)]
    pub every: Option<Span>,
    /// How long it is there and away in turn, if it comes and goes.
    #[serde(default)]
    pub flaps: Option<Flaps>,
    /// The key that it affects; all keys by default.
    #[serde(default)]
    pub key: Option<u32>,
    /// The error rate.
    #[serde(default)]
    pub errors: f64,
    /// The error rate at its end. The rate changes evenly from `errors` to this.
    #[serde(default)]
    pub errors_to: Option<f64>,
    /// How long an error takes; by default as long as an answer.
    #[serde(default)]
    pub error_after: Option<Span>,
    /// The share of calls that never come back.
    #[serde(default)]
    pub hangs: f64,
    /// How many times as long an answer takes.
    #[serde(default = "unchanged")]
    pub slower: f64,
    /// Nothing moves at all.
    #[serde(default)]
    pub pauses: bool,
    /// How many times as many requests arrive.
    #[serde(default = "unchanged")]
    pub demand: f64,
    /// The pool is down. It comes back cold.
    #[serde(default)]
    pub down: bool,
}

/// The times of a fault that comes and goes; see [`Fault::flaps`].
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flaps {
    pub there: Draw,
    pub away: Draw,
}

/// The shortest phase of a flapping fault, so that time always passes.
const SHORTEST_FLAP: Duration = Duration::from_millis(1);

fn unchanged() -> f64 {
    1.0
}

/// The combined effect of all faults at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    pub errors: f64,
    pub error_after: Option<Span>,
    pub hangs: f64,
    pub slower: f64,
    pub demand: f64,
}

impl Effect {
    pub const NONE: Self = Self {
        errors: 0.0,
        error_after: None,
        hangs: 0.0,
        slower: 1.0,
        demand: 1.0,
    };
}

/// One period in which a fault is there.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    pub from: Timestamp,
    pub until: Timestamp,
    pub fault: usize,
}

/// The periods of all faults in one run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In order of their beginning.
    pub outages: Vec<Outage>,
}

impl Plan {
    pub fn draw(scenario: &Scenario, seed: u64) -> Self {
        let end = Timestamp::START + scenario.duration.0;
        let mut outages = Vec::new();
        for (index, fault) in scenario.faults.iter().enumerate() {
            // Each fault has a stream of its own, so that draws for one fault don't change the
            // others.
            let mut random = Random::new(seed, u64::MAX - index as u64);
            let from = Timestamp::START + fault.from.draw(&mut random);
            let lasts = fault.lasts.map(|lasts| lasts.draw(&mut random));
            let until = lasts.map_or(end, |lasts| (from + lasts).min(end));
            let outage = |from: Timestamp, until: Timestamp| Outage {
                from,
                until: until.min(end),
                fault: index,
            };
            if let Some(flaps) = fault.flaps {
                let mut at = from;
                while at < until {
                    let back = at + flaps.there.draw(&mut random);
                    outages.push(outage(at, back.min(until)));
                    at = back + flaps.away.draw(&mut random).max(SHORTEST_FLAP);
                }
            } else if let (Some(every), Some(lasts)) = (fault.every, lasts) {
                let mut at = from;
                while at < end {
                    outages.push(outage(at, at + lasts));
                    at = at + every.0;
                }
            } else {
                outages.push(outage(from, until));
            }
        }
        outages.retain(|outage| outage.from < outage.until);
        outages.sort_by_key(|outage| (outage.from, outage.fault));
        Self { outages }
    }
}

impl Fault {
    /// Adds this fault's effect to another's. `progress` is the part of the fault that has passed.
    pub(crate) fn over(&self, effect: Effect, progress: f64) -> Effect {
        let errors = self.errors + (self.errors_to.unwrap_or(self.errors) - self.errors) * progress;
        Effect {
            errors: 1.0 - (1.0 - effect.errors) * (1.0 - errors),
            error_after: self.error_after.or(effect.error_after),
            hangs: 1.0 - (1.0 - effect.hangs) * (1.0 - self.hangs),
            slower: effect.slower * self.slower,
            demand: effect.demand * self.demand,
        }
    }
}
