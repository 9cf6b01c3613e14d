//! What is measured at the gates: trips, and how access returns after a fault.

use std::time::Duration;

use tower_breaker::clock::Timestamp;

use crate::{
    contestant::Gate,
    measure::{Measures, Timeline},
    scenario::Scenario,
    world::{PoolState, World},
};

/// The last gate of each instance, and the attempts since the first fault.
#[derive(Debug)]
pub(super) struct Gates {
    last: Vec<Gate>,
    changes: Option<Vec<(Timestamp, u32, Gate)>>,
    must_not_trip: bool,
    first_fault: Option<Timestamp>,
    last_fault_ends: Option<Timestamp>,
    /// Whether each of the last attempts went to the primary. The last one is the lowest bit.
    attempts: u32,
    /// The current second since the first fault, with the attempts at the primary in it.
    second: u64,
    in_second: u64,
    peak: u64,
}

/// Access has returned when `ENOUGH` of the `LAST` attempts went to the primary.
const LAST: u32 = 20;
const ENOUGH: u32 = 18;

impl Gates {
    pub(super) fn new(world: &World<'_>, scenario: &Scenario, keeps_changes: bool) -> Self {
        let outages = &world.plan.outages;
        Self {
            last: vec![Gate::Closed; scenario.arrivals.instances as usize],
            changes: keeps_changes.then(Vec::new),
            must_not_trip: scenario.must_not_trip,
            first_fault: outages.iter().map(|outage| outage.from).min(),
            last_fault_ends: outages.iter().map(|outage| outage.until).max(),
            attempts: u32::MAX,
            second: 0,
            in_second: 0,
            peak: 0,
        }
    }

    pub(super) fn attempt(&mut self, to_primary: bool, now: Timestamp) {
        self.attempts = (self.attempts << 1) | u32::from(to_primary);
        if to_primary && self.first_fault.is_some_and(|first| first <= now) {
            let second = now.as_nanos() / Duration::from_secs(1).as_nanos() as u64;
            if second != self.second {
                (self.second, self.in_second) = (second, 0);
            }
            self.in_second += 1;
            self.peak = self.peak.max(self.in_second);
        }
    }

    pub(super) fn measure(
        &mut self,
        instance: u32,
        gate: Gate,
        healthy: bool,
        now: Timestamp,
        measures: &mut Measures,
    ) {
        let after_faults = self.last_fault_ends.is_some_and(|end| end <= now);
        if after_faults && measures.time_to_primary.is_none() && self.has_returned() {
            measures.time_to_primary = self.last_fault_ends.map(|end| now.since(end));
        }
        let last = std::mem::replace(&mut self.last[instance as usize], gate);
        if last == gate {
            return;
        }
        if let Some(changes) = &mut self.changes {
            changes.push((now, instance, gate));
        }
        if gate != Gate::Open {
            return;
        }
        if last == Gate::HalfOpen {
            measures.reopened += 1;
            measures.reopened_in_recovery += u64::from(after_faults);
            return;
        }
        measures.trips += 1;
        measures.false_trips += u64::from(self.must_not_trip || healthy);
        if let Some(first) = self.first_fault.filter(|first| *first <= now) {
            measures.time_to_trip.get_or_insert(now.since(first));
        }
    }

    fn has_returned(&self) -> bool {
        (self.attempts & ((1 << LAST) - 1)).count_ones() >= ENOUGH
    }

    pub(super) fn finish(
        self,
        measures: &mut Measures,
        timeline: &mut Timeline,
        pool: Option<&PoolState>,
        world: &World<'_>,
    ) {
        timeline.gates = self.changes.unwrap_or_default();
        measures.peak_load = pool.map(|pool| self.peak as f64 / pool.capacity(world));
    }
}
