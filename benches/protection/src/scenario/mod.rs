//! What happens to a service and its callers: a TOML file each, of which twenty come with the benchmark.

mod check;
mod error;
mod fault;
mod place;
mod span;

use std::path::Path;

use serde::Deserialize;

use self::error::{nonsense, unreadable};
pub use self::{
    error::ScenarioError,
    fault::{Effect, Fault, Outage, Plan},
    span::{Draw, Span},
};

/// One scenario, as its file describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Short, for tables and the command line: `"S1"`.
    pub name: String,
    /// A few words.
    pub title: String,
    /// How long it lasts.
    pub duration: Span,
    /// Whether a breaker that trips here is wrong each time.
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
    /// Requests a second, by a Poisson process.
    #[serde(default)]
    pub rate: Option<f64>,
    /// Instead: so many callers, each of whom calls again `pause` after an answer.
    #[serde(default)]
    pub callers: Option<u32>,
    #[serde(default = "no_pause")]
    pub pause: Span,
    /// Processes that share the load, each with a breaker of its own.
    #[serde(default = "one")]
    pub instances: u32,
    /// Shards, hosts or tenants; each request is for one of them.
    #[serde(default = "one")]
    pub keys: u32,
}

fn no_pause() -> Span {
    Span(std::time::Duration::ZERO)
}

fn one() -> u32 {
    1
}

/// How the healthy primary answers: in a lognormal time, and with a few errors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    pub median: Span,
    /// The standard deviation of the time's logarithm.
    pub sigma: f64,
    /// The rate of errors on a good day.
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

/// What the callers do, and what they want.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// When an attempt ends in an error; it lies inside the breaker.
    pub timeout: Span,
    /// An answer of the primary is worth 1 when it comes within this time, and nothing later.
    pub objective: Span,
    /// Attempts after the first one, each through the breaker.
    pub retries: u32,
    /// The wait before a retry, doubled at each further one.
    pub retry_after: Draw,
    /// Who drops a request before its answer, and when.
    pub drops: Option<Drops>,
}

/// Callers who give up: the future is dropped, and the answer is worth nothing.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drops {
    /// The share of the callers who do.
    pub share: f64,
    /// How long after their request.
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

/// What answers in the primary's place.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    pub latency: Span,
    /// What its answer is worth beside a good one of the primary.
    pub worth: f64,
    /// Answers a second that it can give; without, it never tires.
    pub rate: Option<f64>,
    /// Requests that may wait for it; the others fail at once.
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

/// A primary of limited capacity: so many workers behind one queue. Without, each call is on its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    pub workers: u32,
    /// Requests that may wait; the others fail at once.
    #[serde(default = "no_limit")]
    pub queue: u32,
    /// Whether its caches are cold after it was down.
    #[serde(default)]
    pub warm_up: Option<WarmUp>,
    /// What too much load does to it.
    #[serde(default)]
    pub crash: Option<Crash>,
}

fn no_limit() -> u32 {
    u32::MAX
}

/// Cold, a request takes 1 + `slower` times as long; each answer warms by `1 / answers`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    pub slower: f64,
    pub answers: u32,
}

/// It crashes when a request has waited this long, and is down for so long.
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

/// The scenarios that come with the benchmark.
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
    /// All that come with the benchmark, in their order.
    ///
    /// # Panics
    ///
    /// Never: each of them is read in a test.
    pub fn built_in() -> Vec<Self> {
        BUILT_IN
            .iter()
            .map(|(file, text)| Self::parse(text, file).unwrap_or_else(|error| panic!("{error}")))
            .collect()
    }

    /// A user's own.
    ///
    /// # Errors
    ///
    /// What can't be read, or makes no sense: the file, the line, the field.
    pub fn read(file: &Path) -> Result<Self, ScenarioError> {
        let shown = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| ScenarioError::new(format!("{shown}: {error}")))?;
        Self::parse(&text, &shown)
    }

    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| unreadable(text, file, &error))?;
        match check::mistake(&scenario) {
            None => Ok(scenario),
            Some(mistake) => Err(nonsense(text, file, mistake)),
        }
    }
}

impl Scenario {
    /// Its name as part of a file's name.
    pub fn slug(&self) -> String {
        let lower = self.name.to_lowercase();
        lower
            .chars()
            .map(|letter| if letter.is_alphanumeric() { letter } else { '-' })
            .collect()
    }

    /// About how many requests it has.
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
