//! [`Config`] as people write it.

use std::time::Duration;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Unexpected},
    ser::{Error as _, SerializeMap},
};

use super::Config;
use super::value::{Place, Reader, Value, Writer, fields};
use crate::machine::{
    CancelledCalls, ConsecutiveFailures, Evidence, FailureRate, OpenDuration, Policy, Recovery, SlidingWindow,
    SlowAfter, SlowCallRate,
    policy::{CustomPolicy, Rule, rate::Rate},
    recovery::Form,
};

/// Every setting under its own name, and durations as people write them. What isn't written has its default; what isn't known
/// is refused, and so is what [`Config::check`] refuses.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config: tower_breaker::Config = toml::from_str(
///     r#"
///     name = "payments"
///     slow_after = "300ms" # or "learned", "never", "auto"
///     cancelled_calls = "slow_if_overdue" # or "ignore", or "failure"
///
///     [open_duration] # or open_duration = "5s"
///     initial = "500ms"
///     max = "3s"
///     factor = 1.5
///     jitter = 0.5
///     refused_before_trial = 10
///     ends_after_refusals = 200
///     retry_after_cap = "1m"
///
///     [trip_when] # whichever trips first; of each kind one, or a list
///     evidence = { tolerated_rate = 0.5, minimum_excess = 8, sustained_for = "500ms" }
///     slow_call_rate = { threshold = 0.8, window = { calls = 100 }, minimum_calls = 20 }
///     failure_rate = [
///         { threshold = 0.9, window = { time = "10s" } },
///         { threshold = 0.5, window = { time = "1m 30s" } },
///     ]
///     consecutive_failures = 10
///
///     [recovery] # or permitted_calls = 10 and bad_rate = 0.5
///     stages = [20, 40, 80, 100]
///     successes = 5
///     stage_duration = "250ms"
///     net_failures = 3
///     probe_timeout = "1s"
///     "#,
/// )?;
/// # assert_eq!(config.name(), "payments");
/// # Ok(())
/// # }
/// ```
impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let config = deserializer.deserialize_map(Reader::<Self>::at(Place::Top))?;
        config.check().map_err(D::Error::custom)?;
        Ok(config)
    }
}

/// Every setting, defaults too. What was written reads as the same configuration, except that policies which were combined come
/// back as one flat list, in the order evidence, failure rates, slow-call rates, consecutive failures.
///
/// A trip policy of a user's own can't be written, nor can what [`Config::check`] refuses. Two formats have limits: TOML has no
/// whole numbers from 2⁶³ on, and `serde_json` reads long fractions exactly only with its feature `float_roundtrip`.
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.check().map_err(S::Error::custom)?;
        self.write(serializer)
    }
}

impl Value for Config {
    const ACCEPTED: &str = "a table of a circuit breaker's settings";

    fields! {
        Config::default();
        name,
        slow_after in settings,
        trip_when in settings,
        open_duration in settings,
        recovery in settings,
        cancelled_calls in settings
    }
}

impl Value for SlowAfter {
    const ACCEPTED: &str = "a duration such as \"300ms\", or \"learned\", \"never\" or \"auto\"";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Never => serializer.serialize_str("never"),
            Self::After(duration) => duration.write(serializer),
            Self::Learned => serializer.serialize_str("learned"),
        }
    }

    fn text(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "never" => Some(Self::Never),
            "learned" => Some(Self::Learned),
            duration => Duration::text(duration).map(Self::After),
        }
    }
}

impl Value for CancelledCalls {
    const ACCEPTED: &str = "\"slow_if_overdue\", \"ignore\" or \"failure\"";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::SlowIfOverdue => "slow_if_overdue",
            Self::Ignore => "ignore",
            Self::Failure => "failure",
        })
    }

    fn text(text: &str) -> Option<Self> {
        match text {
            "slow_if_overdue" => Some(Self::SlowIfOverdue),
            "ignore" => Some(Self::Ignore),
            "failure" => Some(Self::Failure),
            _ => None,
        }
    }
}

impl Value for Policy {
    const ACCEPTED: &str = Policies::ACCEPTED;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut policies = Policies::default();
        match policies.add(self) {
            Ok(()) => policies.write(serializer),
            Err(custom) => Err(S::Error::custom(format_args!(
                "trip_when can't be written: {custom:?} isn't one of this crate's policies"
            ))),
        }
    }

    fn table<'de, A: MapAccess<'de>>(table: A, at: Reader<'_, Self>) -> Result<Self, A::Error> {
        Policies::table(table, Reader::at(at.place)).map(Policies::into_policy)
    }
}

/// A [`Policy`], sorted by kind.
#[derive(Default)]
struct Policies {
    evidence: Vec<Evidence>,
    failure_rate: Vec<Rate>,
    slow_call_rate: Vec<Rate>,
    consecutive_failures: Vec<u64>,
}

impl Value for Policies {
    const ACCEPTED: &str = "a table of trip policies";

    fields!(Self::default(); evidence, failure_rate, slow_call_rate, consecutive_failures);
}

impl Policies {
    /// Fails with the policy that has no written form.
    fn add<'p>(&mut self, policy: &'p Policy) -> Result<(), &'p CustomPolicy> {
        for rule in policy.rules() {
            match rule {
                Rule::Evidence(evidence) => self.evidence.push(*evidence),
                Rule::FailureRate(FailureRate(rate)) => self.failure_rate.push(*rate),
                Rule::SlowCallRate(SlowCallRate(rate)) => self.slow_call_rate.push(*rate),
                Rule::ConsecutiveFailures(ConsecutiveFailures(count)) => self.consecutive_failures.push(*count),
                Rule::Custom(custom) => return Err(custom),
            }
        }
        Ok(())
    }

    fn into_policy(self) -> Policy {
        let failure_rates = self.failure_rate.into_iter().map(FailureRate);
        let slow_call_rates = self.slow_call_rate.into_iter().map(SlowCallRate);
        let failures_in_a_row = self.consecutive_failures.into_iter().map(ConsecutiveFailures);
        let evidence = self.evidence.into_iter().map(Policy::from);
        evidence
            .chain(failure_rates.map(Policy::from))
            .chain(slow_call_rates.map(Policy::from))
            .chain(failures_in_a_row.map(Policy::from))
            .reduce(Policy::or)
            .unwrap_or_default()
    }
}

impl Value for Evidence {
    const ACCEPTED: &str = "a table, or a list of tables";

    fields!(Self::default(); tolerated_rate, minimum_excess, sustained_for);
}

impl Value for Rate {
    const ACCEPTED: &str = "a table, or a list of tables";

    fields!(FailureRate::at_least(1.0).0; threshold, window, minimum_calls; needs threshold);
}

impl Value for SlidingWindow {
    const ACCEPTED: &str = "a table of either calls or time";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Calls(calls) => serializer.collect_map([("calls", calls)]),
            Self::Time(time) => serializer.collect_map([("time", Writer(&time))]),
        }
    }

    fn table<'de, A: MapAccess<'de>>(table: A, at: Reader<'_, Self>) -> Result<Self, A::Error> {
        let refused = |what| Err(A::Error::invalid_value(Unexpected::Other(what), &at));
        let window = Window::table(table, Reader::at(at.place))?;
        match (window.calls, window.time) {
            (Some(calls), None) => Ok(Self::Calls(calls)),
            (None, Some(time)) => Ok(Self::Time(time)),
            (None, None) => refused("neither"),
            (Some(_), Some(_)) => refused("both"),
        }
    }
}

#[derive(Default)]
struct Window {
    calls: Option<usize>,
    time: Option<Duration>,
}

impl Value for Window {
    const ACCEPTED: &str = SlidingWindow::ACCEPTED;

    fields!(Self::default(); calls, time);
}

impl Value for OpenDuration {
    const ACCEPTED: &str = "a duration such as \"5s\", or a table";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            fixed if *fixed == Self::fixed(fixed.initial) => fixed.initial.write(serializer),
            growing => Growing(*growing).write(serializer),
        }
    }

    fn text(text: &str) -> Option<Self> {
        Duration::text(text).map(Self::fixed)
    }

    fn table<'de, A: MapAccess<'de>>(table: A, at: Reader<'_, Self>) -> Result<Self, A::Error> {
        Growing::table(table, Reader::at(at.place)).map(|Growing(growing)| growing)
    }
}

#[derive(Default)]
struct Growing(OpenDuration);

impl Value for Growing {
    const ACCEPTED: &str = OpenDuration::ACCEPTED;

    fields! {
        Self::default();
        initial in 0,
        max in 0,
        factor in 0,
        jitter in 0,
        refused_before_trial in 0,
        ends_after_refusals in 0,
        retry_after_cap in 0
    }
}

impl Value for Recovery {
    const ACCEPTED: &str = "a table of either permitted_calls and bad_rate, or stages, successes, stage_duration and \
        net_failures; and probe_timeout";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut access = Access {
            probe_timeout: self.probe_timeout,
            ..Access::default()
        };
        match &self.form {
            Form::PermittedCalls { calls, bad_rate } => {
                access.permitted_calls = Some(*calls);
                access.bad_rate = Some(*bad_rate);
            }
            Form::Gradual(gradual) => {
                access.stages = gradual.stages.clone();
                access.successes = Some(gradual.successes);
                access.stage_duration = Some(gradual.stage_duration);
                access.net_failures = Some(gradual.net_failures);
            }
        }
        access.write(serializer)
    }

    fn table<'de, A: MapAccess<'de>>(table: A, at: Reader<'_, Self>) -> Result<Self, A::Error> {
        let access = Access::table(table, Reader::at(at.place))?;
        if let Some(contradiction) = access.contradiction() {
            return Err(A::Error::invalid_value(Unexpected::Other(&contradiction), &at));
        }
        let mut recovery = access.permitted_calls.map_or_else(Self::gradual, Self::permitted_calls);
        match &mut recovery.form {
            Form::PermittedCalls { bad_rate, .. } => *bad_rate = access.bad_rate.unwrap_or(*bad_rate),
            Form::Gradual(gradual) => {
                if !access.stages.is_empty() {
                    gradual.stages = access.stages;
                }
                gradual.successes = access.successes.unwrap_or(gradual.successes);
                gradual.stage_duration = access.stage_duration.unwrap_or(gradual.stage_duration);
                gradual.net_failures = access.net_failures.unwrap_or(gradual.net_failures);
            }
        }
        recovery.probe_timeout = access.probe_timeout;
        Ok(recovery)
    }
}

/// A [`Recovery`], of either form.
#[derive(Default)]
struct Access {
    permitted_calls: Option<u32>,
    bad_rate: Option<f64>,
    stages: Vec<u8>,
    successes: Option<u32>,
    stage_duration: Option<Duration>,
    net_failures: Option<f64>,
    probe_timeout: Option<Duration>,
}

impl Value for Access {
    const ACCEPTED: &str = Recovery::ACCEPTED;

    fields! {
        Self::default();
        permitted_calls,
        bad_rate,
        stages,
        successes,
        stage_duration,
        net_failures,
        probe_timeout
    }
}

impl Access {
    fn contradiction(&self) -> Option<String> {
        let gradual = [
            ("stages", !self.stages.is_empty()),
            ("successes", self.successes.is_some()),
            ("stage_duration", self.stage_duration.is_some()),
            ("net_failures", self.net_failures.is_some()),
        ];
        let gradual = gradual.iter().find(|(_, is_set)| *is_set);
        match (self.permitted_calls, self.bad_rate, gradual) {
            (Some(_), _, Some((field, _))) => Some(format!("permitted_calls beside {field}")),
            (None, Some(_), _) => Some("bad_rate without permitted_calls".to_owned()),
            _ => None,
        }
    }
}
