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
    machine::{Mode, State, Timestamp, Transition},
    observe::Events,
    registry::Registry,
};

/// Reads the figures of all breakers, and keeps what no snapshot tells.
pub(super) struct Collector {
    registry: Registry,
    agents: Vec<Weak<Agent>>,
    events: Events,
    kept: BTreeMap<Arc<str>, Kept>,
    /// Those that have ended since.
    gone: Vec<Arc<str>>,
}

/// Of one breaker.
#[derive(Default)]
struct Kept {
    /// By what they led to and why.
    transitions: BTreeMap<(&'static str, &'static str), u64>,
    open_seconds: f64,
    /// Whether it was open when it was last looked at, and when that was.
    looked_at: Option<(bool, Timestamp)>,
}

const STATES: [State; 4] = [State::Closed, State::Open, State::ReadyToProbe, State::HalfOpen];
const MODES: [Mode; 4] = [Mode::Automatic, Mode::ForcedOpen, Mode::Disabled, Mode::Shadow];

impl Collector {
    pub(super) fn new(registry: Registry) -> Self {
        Self {
            events: registry.subscribe(),
            registry,
            agents: Vec::new(),
            kept: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    pub(super) fn add_agent(&mut self, agent: &Arc<Agent>) {
        self.agents.push(Arc::downgrade(agent));
    }

    /// The breakers that have ended since this was last asked.
    #[cfg(feature = "metrics")]
    pub(super) fn take_gone(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.gone)
    }

    pub(super) fn collect(&mut self) -> Vec<Sample> {
        self.take_events();
        let instances = self.instances();
        let mut samples = Vec::new();
        let mut kept = std::mem::take(&mut self.kept);
        for breaker in self.registry.breakers() {
            let snapshot = breaker.snapshot();
            let mut of_this = kept.remove(&*snapshot.name).unwrap_or_default();
            of_this.look(&snapshot);
            let mut row = Row {
                breaker: snapshot.name.clone(),
                samples: &mut samples,
            };
            row.calls(&snapshot);
            row.state(&snapshot);
            row.kept(&of_this);
            if let Some(instance) = instances.get(&*snapshot.name) {
                row.checks(instance);
            }
            self.kept.insert(snapshot.name, of_this);
        }
        self.gone.extend(kept.into_keys());
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
            let kept = self.kept.entry(event.breaker).or_default();
            *kept.transitions.entry(told(&event.transition)).or_default() += 1;
        }
    }

    fn instances(&mut self) -> HashMap<Arc<str>, Instance> {
        self.agents.retain(|agent| agent.strong_count() > 0);
        let agents: Vec<Arc<Agent>> = self.agents.iter().filter_map(Weak::upgrade).collect();
        let all = agents.iter().flat_map(|agent| agent.instances());
        all.map(|instance| (instance.name.clone(), instance)).collect()
    }
}

impl Kept {
    fn look(&mut self, snapshot: &Snapshot) {
        if let Some((true, before)) = self.looked_at {
            self.open_seconds += snapshot.now.since(before).as_secs_f64();
        }
        self.looked_at = Some((snapshot.state != State::Closed, snapshot.now));
    }
}

/// What a change led to, and why, in words that never vary.
fn told(transition: &Transition) -> (&'static str, &'static str) {
    match transition {
        Transition::Opened { reason, .. } => ("open", reason.name()),
        Transition::HalfOpened { .. } => ("half-open", "open time is up"),
        Transition::ShareChanged { reason, .. } => {
            let reason = reason.as_ref().map_or("stage passed", |reason| reason.name());
            ("share changed", reason)
        }
        Transition::Closed => ("closed", "recovered"),
        Transition::WouldHaveTripped { reason } => ("would have tripped", reason.name()),
        Transition::HeldBack { reason } => ("held back", reason.name()),
        Transition::ModeChanged { to, .. } => (to.name(), "by hand"),
        Transition::Reset { .. } => ("closed", "reset"),
        Transition::Reconfigured => ("reconfigured", "by hand"),
        Transition::Evicted => ("evicted", "idle"),
    }
}

/// The samples of one breaker.
struct Row<'a> {
    breaker: Arc<str>,
    samples: &'a mut Vec<Sample>,
}

impl Row<'_> {
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
        self.push(&series::REFUSED_CALLS, ["nobody", ""], rejected as f64);
        self.one(&series::FAILED_OVER_CALLS, totals.failed_over as f64);
        self.one(&series::READINESS_WAITS, totals.readiness.waits as f64);
        self.one(&series::READINESS_SECONDS, totals.readiness.total.as_secs_f64());
        self.one(&series::READINESS_ERRORS, totals.readiness.errors as f64);
        self.one(&series::IN_FLIGHT, snapshot.in_flight as f64);
    }

    fn state(&mut self, snapshot: &Snapshot) {
        for state in STATES {
            self.push(
                &series::STATE,
                [state.name(), ""],
                f64::from(u8::from(state == snapshot.state)),
            );
        }
        for mode in MODES {
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
            // Of two policies of a kind, the first: two samples can't have the same labels.
            let name = reading.name();
            if let Some(measured) = reading.measured().filter(|_| !seen.contains(&name)) {
                seen.push(name);
                self.push(&series::MEASURED, [name, ""], measured.value);
                self.push(&series::THRESHOLD, [name, ""], measured.threshold);
            }
        }
    }

    fn kept(&mut self, kept: &Kept) {
        self.one(&series::OPEN_SECONDS, kept.open_seconds);
        for ((to, reason), count) in &kept.transitions {
            self.push(&series::TRANSITIONS, [to, reason], *count as f64);
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
