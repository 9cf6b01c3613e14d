//! Scenarios: what happens to a service and its callers. Each is a TOML file; twenty are built in.

mod check;
mod error;
mod fault;
mod field_spans;
mod span;

use std::path::Path;

use serde::Deserialize;

use self::error::{senseless, unreadable};
pub use self::{
    error::ScenarioError,
    fault::{Effect, Fault, Outage, Plan},
    span::{Draw, Span},
};

/// One scenario, as its file describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// A short name for tables and the command line, like `"S1"`.
    pub name: String,
    /// A few words.
    pub title: String,
    /// How long it lasts.
    pub duration: Span,
    /// Whether every trip here counts as a false one.
    #[serde(default)]
    pub must_not_trip: bool,
    /// Whether it counts in the mean over the scenarios.
    #[serde(default = "yes")]
    pub in_mean: bool,
    pub arrivals: Arrivals,
    #[serde(default)]
    pub service: Service,
    #[serde(default)]
    pub client: Client,
    #[serde(default)]
    pub backup: Backup,
    #[serde(default)]
    pub pool: Option<Pool>,
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
}

fn yes() -> bool {
    true
}

/// Who calls, and how often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrivals {
    /// Requests per second, as a Poisson process.
    #[serde(default)]
    pub rate: Option<f64>,
    /// The number of callers, instead of a rate. Each calls again `pause` after an answer.
    #[serde(default)]
    pub callers: Option<u32>,
    #[serde(default = "no_pause")]
    pub pause: Span,
    /// Processes that share the load, each with a breaker of its own.
    #[serde(default = "one")]
    pub instances: u32,
    /// Shards, hosts or tenants. Each request is for one of them.
    #[serde(default = "one")]
    pub keys: u32,
}

fn no_pause() -> Span {
    Span(std::time::Duration::ZERO)
}

fn one() -> u32 {
    1
}

/// How the healthy primary answers: lognormal times, and a few errors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    pub median: Span,
    /// The standard deviation of the time's logarithm.
    pub sigma: f64,
    /// The error rate of a healthy primary.
    pub errors: f64,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            median: millis(40),
            sigma: 0.4,
            errors: 0.002,
        }
    }
}

/// What the callers do, and what they expect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// When an attempt ends in an error. The timeout lies inside the breaker.
    pub timeout: Span,
    /// How long an answer of the primary may take to be worth 1. A later one is worth nothing.
    pub objective: Span,
    /// Attempts after the first one. Each goes through the breaker.
    pub retries: u32,
    /// The wait before a retry, doubled for each further one.
    pub retry_after: Draw,
    /// The callers who drop a request before its answer, and when.
    pub drops: Option<Drops>,
}

/// Callers who give up: they drop the future, and the answer is worth nothing.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drops {
    /// The share of callers who give up.
    pub share: f64,
    /// The time from their request.
    pub after: Draw,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            timeout: millis(1000),
            objective: millis(500),
            retries: 0,
            retry_after: Draw::Uniform {
                uniform: (millis(20), millis(100)),
            },
            drops: None,
        }
    }
}

/// The service that answers instead of the primary.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    pub latency: Span,
    /// What its answer is worth, compared with 1 for a good one of the primary.
    pub worth: f64,
    /// The answers per second that it can give; unlimited by default.
    pub rate: Option<f64>,
    /// Requests that may wait for it. The others fail at once.
    pub queue: u32,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            latency: millis(10),
            worth: 0.5,
            rate: None,
            queue: 0,
        }
    }
}

/// A primary of limited capacity: workers behind one queue. Without a pool, calls don't affect each
/// other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    pub workers: u32,
    /// Requests that may wait. The others fail at once.
    #[serde(default = "no_limit")]
    pub queue: u32,
    /// How its caches warm up after it was down.
    #[serde(default)]
    pub warm_up: Option<WarmUp>,
    /// What overload does to it.
    #[serde(default)]
    pub crash: Option<Crash>,
}

fn no_limit() -> u32 {
    u32::MAX
}

/// While cold, a request takes 1 + `slower` times as long. Each answer warms by `1 / answers`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    pub slower: f64,
    pub answers: u32,
}

/// It crashes when a request has waited for `after_wait`, and then is down for `down`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    pub after_wait: Span,
    pub down: Span,
}

fn millis(millis: u64) -> Span {
    Span(std::time::Duration::from_millis(millis))
}

macro_rules! built_in {
    ($($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../../scenarios/", $file, ".toml")))),*]
    };
}

/// The built-in scenarios: names and texts of their files.
const BUILT_IN: &[(&str, &str)] = built_in![
    "s01_hard_outage",
    "s02_black_hole",
    "s03_brownout",
    "s04_partial_30",
    "s05_partial_70",
    "s06_flapping",
    "s07_low_traffic",
    "s08_cold_cache",
    "s09_metastable",
    "s10_pauses",
    "s11_bad_shard",
    "s12_slow_leak",
    "s13_noisy_but_healthy",
    "s14_cancellation",
    "s15_stale_results",
    "s16_just_below",
    "s17_just_above_and_fast",
    "s18_saturating_backup",
    "s19_impatient_callers",
    "s20_few_workers",
];

impl Scenario {
    /// Returns the built-in scenarios, in order.
    ///
    /// # Panics
    ///
    /// Never: a test parses each of them.
    pub fn built_in() -> Vec<Self> {
        BUILT_IN
            .iter()
            .map(|(file, text)| Self::parse(text, file).unwrap_or_else(|error| panic!("{error}")))
            .collect()
    }

    /// Reads a user's scenario.
    ///
    /// # Errors
    ///
    /// Returns what can't be read or makes no sense: the file, the line, the field.
    pub fn read(file: &Path) -> Result<Self, ScenarioError> {
        let shown = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| ScenarioError::new(format!("{shown}: {error}")))?;
        Self::parse(&text, &shown)
    }

    /// Parses the text of a scenario. `file` is its name in errors.
    ///
    /// # Errors
    ///
    /// Like [`read`](Self::read).
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| unreadable(text, file, &error))?;
        match check::mistake(&scenario) {
            None => Ok(scenario),
            Some(mistake) => Err(senseless(text, file, mistake)),
        }
    }
}

impl Scenario {
    /// Returns its name in the form of a file name.
    pub fn slug(&self) -> String {
        let lower = self.name.to_lowercase();
        lower
            .chars()
            .map(|letter| if letter.is_alphanumeric() { letter } else { '-' })
            .collect()
    }

    /// Estimates how many requests it has.
    pub fn expected_requests(&self) -> u64 {
        let seconds = self.duration.0.as_secs_f64();
        let rate = match (self.arrivals.rate, self.arrivals.callers) {
            (Some(rate), _) => rate,
            (None, callers) => {
                let turn = (self.arrivals.pause.0 + self.service.median.0).as_secs_f64();
                f64::from(callers.unwrap_or(1)) / turn
            }
        };
        (seconds * rate) as u64
    }
}
