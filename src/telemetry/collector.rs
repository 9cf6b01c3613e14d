//! Collects the samples of all breakers of a registry, when an exporter asks.
//!
//! Most figures come from a breaker's snapshot. Transitions and the time spent open don't: a
//! [`BreakerSeries`] keeps those per breaker, from events and from one collection to the next. A
//! breaker that has ended is dropped, and its name handed to the exporter once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
};

use super::{
    sample::Sample,
    series::{self, Series},
};
use crate::{
    agent::{Agent, Instance},
    breaker::{CallTotals, Snapshot},
    machine::{Mode, State, Timestamp},
    observe::Events,
    registry::Registry,
};

/// A reader of all breakers' figures, with those that no snapshot holds.
pub(super) struct Collector {
    registry: Registry,
    agents: Vec<Weak<Agent>>,
    events: Events,
    series: BTreeMap<Arc<str>, BreakerSeries>,
    /// The breakers that have ended since [`take_ended`](Self::take_ended).
    ended: Vec<Arc<str>>,
}

/// The figures of one breaker that are kept from one collection to the next.
#[derive(Default)]
struct BreakerSeries {
    /// The number of transitions by target and cause.
    transitions: BTreeMap<(&'static str, &'static str), u64>,
    open_seconds: f64,
    /// Whether the breaker was open at the last collection, and when that was.
    last_seen: Option<(bool, Timestamp)>,
}

impl Collector {
    pub(super) fn new(registry: Registry) -> Self {
        Self {
            events: registry.subscribe(),
            registry,
            agents: Vec::new(),
            series: BTreeMap::new(),
            ended: Vec::new(),
        }
    }

    pub(super) fn add_agent(&mut self, agent: &Arc<Agent>) {
        self.agents.push(Arc::downgrade(agent));
    }

    /// Returns the breakers that have ended since the last call.
    #[cfg(feature = "metrics")]
    pub(super) fn take_ended(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.ended)
    }

    /// Returns a sample of each figure, as of now.
    pub(super) fn collect(&mut self) -> Vec<Sample> {
        self.take_events();
        let instances = self.instances();
        let mut samples = Vec::new();
        let mut before = std::mem::take(&mut self.series);
        for breaker in self.registry.breakers() {
            let snapshot = breaker.snapshot();
            let mut series = before.remove(&*snapshot.name).unwrap_or_default();
            series.update(&snapshot);
            let mut writer = SampleWriter {
                breaker: snapshot.name.clone(),
                samples: &mut samples,
            };
            writer.calls(&snapshot);
            writer.state(&snapshot);
            writer.series(&series);
            if let Some(instance) = instances.get(&*snapshot.name) {
                writer.checks(instance);
            }
            self.series.insert(snapshot.name, series);
        }
        self.ended.extend(before.into_keys());
        samples.push(Sample {
            series: &series::EVENTS_LOST,
            breaker: None,
            labels: [""; 2],
            value: self.events.lost() as f64,
        });
        samples
    }

    fn take_events(&mut self) {
        while let Some(event) = self.events.try_next() {
            let series = self.series.entry(event.breaker).or_default();
            let (target, cause) = (event.transition.target(), event.transition.cause());
            *series.transitions.entry((target, cause)).or_default() += 1;
        }
    }

    fn instances(&mut self) -> HashMap<Arc<str>, Instance> {
        self.agents.retain(|agent| agent.strong_count() > 0);
        let agents: Vec<Arc<Agent>> = self.agents.iter().filter_map(Weak::upgrade).collect();
        let all = agents.iter().flat_map(|agent| agent.instances());
        all.map(|instance| (instance.name.clone(), instance)).collect()
    }
}

impl BreakerSeries {
    /// Adds the time since the last collection, if the breaker was open then.
    fn update(&mut self, snapshot: &Snapshot) {
        if let Some((true, before)) = self.last_seen {
            self.open_seconds += snapshot.now.since(before).as_secs_f64();
        }
        self.last_seen = Some((snapshot.state != State::Closed, snapshot.now));
    }
}

/// A writer of one breaker's samples.
struct SampleWriter<'a> {
    breaker: Arc<str>,
    samples: &'a mut Vec<Sample>,
}

impl SampleWriter<'_> {
    fn push(&mut self, series: &'static Series, labels: [&'static str; 2], value: f64) {
        self.samples.push(Sample {
            series,
            breaker: Some(self.breaker.clone()),
            labels,
            value,
        });
    }

    fn one(&mut self, series: &'static Series, value: f64) {
        self.push(series, [""; 2], value);
    }

    fn calls(&mut self, snapshot: &Snapshot) {
        let totals = &snapshot.totals;
        for (service, calls) in [("primary", &totals.primary), ("backup", &totals.backup)] {
            for (outcome, count) in outcomes(calls) {
                self.push(&series::CALLS, [service, outcome], count as f64);
            }
            self.push(&series::CALL_SECONDS, [service, ""], calls.latency.as_secs_f64());
            self.push(&series::TIMED_CALLS, [service, ""], calls.timed as f64);
        }
        let diverted = totals.backup.calls.saturating_sub(totals.failed_over);
        let rejected = totals.refused.saturating_sub(diverted);
        self.one(&series::SLOW_CALLS, totals.primary.slow as f64);
        self.push(&series::REFUSED_CALLS, ["backup", ""], diverted as f64);
        self.push(&series::REFUSED_CALLS, ["none", ""], rejected as f64);
        self.one(&series::FAILED_OVER_CALLS, totals.failed_over as f64);
        self.one(&series::READINESS_WAITS, totals.readiness.waits as f64);
        self.one(&series::READINESS_SECONDS, totals.readiness.total.as_secs_f64());
        self.one(&series::READINESS_ERRORS, totals.readiness.errors as f64);
        self.one(&series::IN_FLIGHT, snapshot.in_flight as f64);
    }

    fn state(&mut self, snapshot: &Snapshot) {
        for &state in State::ALL {
            self.push(
                &series::STATE,
                [state.name(), ""],
                f64::from(u8::from(state == snapshot.state)),
            );
        }
        for &mode in Mode::ALL {
            let is_this = mode == snapshot.mode;
            self.push(&series::MODE, [mode.name(), ""], f64::from(u8::from(is_this)));
        }
        self.one(&series::STATE_SECONDS, snapshot.lasted.as_secs_f64());
        self.one(&series::SHARE, f64::from(snapshot.share) / 100.0);
        self.one(&series::ATTEMPT, f64::from(snapshot.attempt));
        for (quantile, latency) in [("0.5", snapshot.learned_p50), ("0.99", snapshot.learned_p99)] {
            if let Some(latency) = latency {
                self.push(&series::LEARNED_LATENCY, [quantile, ""], latency.as_secs_f64());
            }
        }
        if let Some(slow_after) = snapshot.slow_after {
            self.one(&series::SLOW_AFTER, slow_after.as_secs_f64());
        }
        let mut seen = Vec::new();
        for reading in &snapshot.policies {
            // Two samples can't have the same labels: of two policies of a kind, the first is
            // given.
            let name = reading.name();
            if let Some(measured) = reading.measured().filter(|_| !seen.contains(&name)) {
                seen.push(name);
                self.push(&series::MEASURED, [name, ""], measured.value);
                self.push(&series::THRESHOLD, [name, ""], measured.threshold);
            }
        }
    }

    fn series(&mut self, series: &BreakerSeries) {
        self.one(&series::OPEN_SECONDS, series.open_seconds);
        for ((target, cause), count) in &series.transitions {
            self.push(&series::TRANSITIONS, [target, cause], *count as f64);
        }
    }

    fn checks(&mut self, instance: &Instance) {
        let healthy = instance.checks - instance.failed;
        self.push(&series::CHECKS, ["healthy", ""], healthy as f64);
        self.push(&series::CHECKS, ["failed", ""], instance.failed as f64);
        self.one(&series::CHECKS_FAILED_IN_A_ROW, instance.failed_in_a_row as f64);
    }
}

fn outcomes(calls: &CallTotals) -> [(&'static str, u64); 5] {
    [
        ("success", calls.succeeded),
        ("failure", calls.failed),
        ("ignored", calls.ignored),
        ("cancelled", calls.cancelled),
        ("stale", calls.stale),
    ]
}
