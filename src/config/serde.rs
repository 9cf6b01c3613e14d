//! Reads and writes a [`Config`] by serde, in the form that people write.
//!
//! Each type of a configuration implements [`ConfigValue`] here, beside the helper structs
//! (`…Fields`) that mirror its table. Names of fields and accepted words are part of the public
//! interface. What is read is checked before it is returned, and what is written is checked before
//! it is written.

use std::time::Duration;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Unexpected},
    ser::{Error as _, SerializeMap},
};

use super::Config;
use super::value::{AsSerialize, ConfigValue, FieldPath, ValueVisitor, fields};
use crate::machine::{
    CancelledCalls, ConsecutiveFailures, Evidence, FailureRate, OpenDuration, Policy, Recovery, SlidingWindow,
    SlowAfter, SlowCallRate,
    policy::{CustomPolicy, Rule, rate::Rate},
    recovery::Form,
};

/// Reads each setting under its own name, with durations such as `"300ms"`. A setting that is
/// missing has its default. An unknown setting is an error, and so is what [`Config::check`]
/// refuses.
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
        let config = deserializer.deserialize_map(ValueVisitor::<Self>::at(FieldPath::Root))?;
        config.check().map_err(D::Error::custom)?;
        Ok(config)
    }
}

/// Writes every setting, including defaults. The result reads as the same configuration, except
/// that combined policies come back as one flat list, in the order evidence, failure rates,
/// slow-call rates, consecutive failures.
///
/// A custom trip policy can't be written, nor can what [`Config::check`] refuses. Two formats have
/// limits: TOML has no whole numbers from 2⁶³ on, and `serde_json` reads long fractions exactly
/// only with its feature `float_roundtrip`.
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.check().map_err(S::Error::custom)?;
        self.write(serializer)
    }
}

impl ConfigValue for Config {
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

impl ConfigValue for SlowAfter {
    const ACCEPTED: &str = "a duration such as \"300ms\", or \"learned\", \"never\" or \"auto\"";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Never => serializer.serialize_str("never"),
            Self::After(duration) => duration.write(serializer),
            Self::Learned => serializer.serialize_str("learned"),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "never" => Some(Self::Never),
            "learned" => Some(Self::Learned),
            duration => Duration::from_text(duration).map(Self::After),
        }
    }
}

impl ConfigValue for CancelledCalls {
    const ACCEPTED: &str = "\"slow_if_overdue\", \"ignore\" or \"failure\"";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::SlowIfOverdue => "slow_if_overdue",
            Self::Ignore => "ignore",
            Self::Failure => "failure",
        })
    }

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "slow_if_overdue" => Some(Self::SlowIfOverdue),
            "ignore" => Some(Self::Ignore),
            "failure" => Some(Self::Failure),
            _ => None,
        }
    }
}

impl ConfigValue for Policy {
    const ACCEPTED: &str = PoliciesByKind::ACCEPTED;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut policies = PoliciesByKind::default();
        match policies.add(self) {
            Ok(()) => policies.write(serializer),
            Err(custom) => Err(S::Error::custom(format_args!(
                "trip_when can't be written: {custom:?} isn't one of this crate's policies"
            ))),
        }
    }

    fn from_table<'de, A: MapAccess<'de>>(table: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
        PoliciesByKind::from_table(table, ValueVisitor::at(visitor.path)).map(PoliciesByKind::into_policy)
    }
}

/// The policies of a configuration, sorted by kind: the table `trip_when`.
#[derive(Default)]
struct PoliciesByKind {
    evidence: Vec<Evidence>,
    failure_rate: Vec<Rate>,
    slow_call_rate: Vec<Rate>,
    consecutive_failures: Vec<u64>,
}

impl ConfigValue for PoliciesByKind {
    const ACCEPTED: &str = "a table of trip policies";

    fields!(Self::default(); evidence, failure_rate, slow_call_rate, consecutive_failures);
}

impl PoliciesByKind {
    /// Adds a policy and those that it combines. Fails with a custom policy, which has no written
    /// form.
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

impl ConfigValue for Evidence {
    const ACCEPTED: &str = "a table, or a list of tables";

    fields!(Self::default(); tolerated_rate, minimum_excess, sustained_for);
}

impl ConfigValue for Rate {
    const ACCEPTED: &str = "a table, or a list of tables";

    fields!(FailureRate::at_least(1.0).0; threshold, window, minimum_calls; requires threshold);
}

impl ConfigValue for SlidingWindow {
    const ACCEPTED: &str = "a table of either calls or time";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Calls(calls) => serializer.collect_map([("calls", calls)]),
            Self::Time(time) => serializer.collect_map([("time", AsSerialize(&time))]),
        }
    }

    fn from_table<'de, A: MapAccess<'de>>(table: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
        let refused = |found| Err(A::Error::invalid_value(Unexpected::Other(found), &visitor));
        let window = WindowFields::from_table(table, ValueVisitor::at(visitor.path))?;
        match (window.calls, window.time) {
            (Some(calls), None) => Ok(Self::Calls(calls)),
            (None, Some(time)) => Ok(Self::Time(time)),
            (None, None) => refused("neither"),
            (Some(_), Some(_)) => refused("both"),
        }
    }
}

/// The table of a [`SlidingWindow`]: exactly one of the two.
#[derive(Default)]
struct WindowFields {
    calls: Option<usize>,
    time: Option<Duration>,
}

impl ConfigValue for WindowFields {
    const ACCEPTED: &str = SlidingWindow::ACCEPTED;

    fields!(Self::default(); calls, time);
}

impl ConfigValue for OpenDuration {
    const ACCEPTED: &str = "a duration such as \"5s\", or a table";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            fixed if *fixed == Self::fixed(fixed.initial) => fixed.initial.write(serializer),
            growing => OpenDurationFields(*growing).write(serializer),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        Duration::from_text(text).map(Self::fixed)
    }

    fn from_table<'de, A: MapAccess<'de>>(table: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
        OpenDurationFields::from_table(table, ValueVisitor::at(visitor.path)).map(|fields| fields.0)
    }
}

/// The table of an [`OpenDuration`].
#[derive(Default)]
struct OpenDurationFields(OpenDuration);

impl ConfigValue for OpenDurationFields {
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

impl ConfigValue for Recovery {
    const ACCEPTED: &str = "a table of either permitted_calls and bad_rate, or stages, successes, stage_duration and \
        net_failures; and probe_timeout";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = RecoveryFields {
            probe_timeout: self.probe_timeout,
            ..RecoveryFields::default()
        };
        match &self.form {
            Form::PermittedCalls { calls, bad_rate } => {
                fields.permitted_calls = Some(*calls);
                fields.bad_rate = Some(*bad_rate);
            }
            Form::Gradual(gradual) => {
                fields.stages = gradual.stages.clone();
                fields.successes = Some(gradual.successes);
                fields.stage_duration = Some(gradual.stage_duration);
                fields.net_failures = Some(gradual.net_failures);
            }
        }
        fields.write(serializer)
    }

    fn from_table<'de, A: MapAccess<'de>>(table: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
        let fields = RecoveryFields::from_table(table, ValueVisitor::at(visitor.path))?;
        if let Some(contradiction) = fields.contradiction() {
            return Err(A::Error::invalid_value(Unexpected::Other(&contradiction), &visitor));
        }
        let mut recovery = fields.permitted_calls.map_or_else(Self::gradual, Self::permitted_calls);
        match &mut recovery.form {
            Form::PermittedCalls { bad_rate, .. } => *bad_rate = fields.bad_rate.unwrap_or(*bad_rate),
            Form::Gradual(gradual) => {
                if !fields.stages.is_empty() {
                    gradual.stages = fields.stages;
                }
                gradual.successes = fields.successes.unwrap_or(gradual.successes);
                gradual.stage_duration = fields.stage_duration.unwrap_or(gradual.stage_duration);
                gradual.net_failures = fields.net_failures.unwrap_or(gradual.net_failures);
            }
        }
        recovery.probe_timeout = fields.probe_timeout;
        Ok(recovery)
    }
}

/// The table of a [`Recovery`], of either form.
#[derive(Default)]
struct RecoveryFields {
    permitted_calls: Option<u32>,
    bad_rate: Option<f64>,
    stages: Vec<u8>,
    successes: Option<u32>,
    stage_duration: Option<Duration>,
    net_failures: Option<f64>,
    probe_timeout: Option<Duration>,
}

impl ConfigValue for RecoveryFields {
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

impl RecoveryFields {
    /// Returns the first field that belongs to the other form.
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
