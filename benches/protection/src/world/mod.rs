//! The true state of the primary and the backup. Breakers don't see it; the reference knows it.

mod backup;
mod pool;

use std::time::Duration;

use tower_breaker::clock::Timestamp;

pub(crate) use self::{
    backup::BackupState,
    pool::{AttemptId, Job, PoolState},
};
use crate::{
    random::{Random, normal_below},
    scenario::{Effect, Plan, Scenario},
};

/// How long an error takes that costs the primary nothing.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(5);

/// Converts seconds, with a limit: factors may make a time longer than any run.
fn seconds(seconds: f64) -> Duration {
    const LONGEST: f64 = 1e9;
    Duration::from_secs_f64(seconds.min(LONGEST))
}

/// The primary's faults and their effect over time.
#[derive(Debug)]
pub(crate) struct World<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) plan: Plan,
    /// The outages that are active now.
    active: Vec<usize>,
    /// The next outage to begin.
    next: usize,
    /// When `active` changes next.
    changes_at: Timestamp,
}

/// The random draws for one attempt. They are the same for every contestant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Luck {
    error: f64,
    hang: f64,
    /// Healthy service time, in seconds.
    service: f64,
}

/// How the primary answers a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reply {
    /// It never answers. The other two answer or fail after a time.
    Hangs,
    Fails(Duration),
    Answers(Duration),
}

impl Luck {
    pub(crate) fn draw(scenario: &Scenario, seed: u64, request: u64, attempt: u32) -> Self {
        let mut random = Random::new(seed, request * 128 + u64::from(attempt));
        let (error, hang) = (random.unit(), random.unit());
        let service = &scenario.service;
        Self {
            error,
            hang,
            service: service.median.0.as_secs_f64() * libm::exp(service.sigma * random.normal()),
        }
    }
}

impl<'s> World<'s> {
    pub(crate) fn new(scenario: &'s Scenario, seed: u64) -> Self {
        Self {
            scenario,
            plan: Plan::draw(scenario, seed),
            active: Vec::new(),
            next: 0,
            changes_at: Timestamp::START,
        }
    }

    pub(crate) fn advance(&mut self, now: Timestamp) {
        if now < self.changes_at {
            return;
        }
        let outages = &self.plan.outages;
        while outages.get(self.next).is_some_and(|outage| outage.from <= now) {
            self.active.push(self.next);
            self.next += 1;
        }
        self.active.retain(|index| outages[*index].until > now);
        let ends = self.active.iter().map(|index| outages[*index].until);
        let begins = outages.get(self.next).map(|outage| outage.from);
        let changes = ends.chain(begins).min();
        self.changes_at = changes.unwrap_or(Timestamp::from_nanos(u64::MAX));
    }

    pub(crate) fn is_disturbed(&self) -> bool {
        !self.active.is_empty()
    }

    /// Returns the combined effect of all active faults on this key.
    pub(crate) fn effect(&self, key: u32, now: Timestamp) -> Effect {
        let mut effect = Effect::NONE;
        for index in &self.active {
            let outage = &self.plan.outages[*index];
            let fault = &self.scenario.faults[outage.fault];
            if fault.key.is_none_or(|affected| affected == key) {
                let length = outage.until.since(outage.from).as_secs_f64();
                effect = fault.over(effect, now.since(outage.from).as_secs_f64() / length);
            }
        }
        effect
    }

    /// Returns whether an active fault has the pool down.
    pub(crate) fn is_down(&self) -> bool {
        self.active
            .iter()
            .any(|index| self.scenario.faults[self.plan.outages[*index].fault].down)
    }

    /// Returns when the active faults are over.
    pub(crate) fn disturbed_until(&self) -> Option<Timestamp> {
        self.active.iter().map(|index| self.plan.outages[*index].until).max()
    }

    /// Returns the reply of a primary without a pool.
    pub(crate) fn reply(&self, luck: Luck, key: u32, now: Timestamp) -> Reply {
        let effect = self.effect(key, now);
        let service = seconds(luck.service * effect.slower);
        if luck.hang < effect.hangs {
            return Reply::Hangs;
        }
        if luck.error < self.error_rate(effect) {
            let after = effect.error_after.map_or(service, |after| after.0);
            return Reply::Fails(self.with_pauses(after, now));
        }
        Reply::Answers(self.with_pauses(service, now))
    }

    /// Returns how long a job keeps a pool's worker, and whether it ends in an error.
    fn work(&self, luck: Luck, key: u32, cold: f64, now: Timestamp) -> (Duration, bool) {
        let effect = self.effect(key, now);
        if luck.hang < effect.hangs {
            let until = self.disturbed_until().unwrap_or(now);
            return (until.since(now), true);
        }
        let service = seconds(luck.service * effect.slower * cold);
        if luck.error < self.error_rate(effect) {
            return (effect.error_after.map_or(service, |after| after.0), true);
        }
        (service, false)
    }

    fn error_rate(&self, effect: Effect) -> f64 {
        1.0 - (1.0 - self.scenario.service.errors) * (1.0 - effect.errors)
    }

    /// Returns how long this much work takes from now. Nothing moves during pauses.
    fn with_pauses(&self, work: Duration, now: Timestamp) -> Duration {
        let mut done = now + work;
        for outage in self.pauses() {
            if outage.0 >= done {
                break;
            }
            if outage.1 > now {
                done = done + outage.1.since(outage.0.max(now));
            }
        }
        done.since(now)
    }

    fn pauses(&self) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        self.plan
            .outages
            .iter()
            .filter(|outage| self.scenario.faults[outage.fault].pauses)
            .map(|outage| (outage.from, outage.until))
    }

    fn paused_for(&self, now: Timestamp) -> Duration {
        let pause = self.pauses().find(|(from, until)| *from <= now && now < *until);
        pause.map_or(Duration::ZERO, |(_, until)| until.since(now))
    }

    /// Returns the probability that a call gets a good answer in time if it starts now, first waits
    /// for `wait`, and its answer takes `cold` times as long for reasons other than a fault.
    pub(crate) fn chance_of_good(&self, key: u32, wait: Duration, cold: f64, now: Timestamp) -> f64 {
        let effect = self.effect(key, now);
        let client = &self.scenario.client;
        let limit = client.objective.0.min(client.timeout.0);
        let wait = wait + self.paused_for(now);
        if wait >= limit {
            return 0.0;
        }
        let service = &self.scenario.service;
        let median = service.median.0.as_secs_f64() * effect.slower * cold;
        let in_time = normal_below(libm::log((limit - wait).as_secs_f64() / median) / service.sigma);
        (1.0 - self.error_rate(effect)) * (1.0 - effect.hangs) * in_time
    }
}
