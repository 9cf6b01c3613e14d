//! The share of time for which gates were open and half-open, slot by slot.

use tower_breaker::clock::Timestamp;

use crate::{contestant::Gate, measure::Timeline};

/// The shares of a slot's time, over all instances, for which gates were half-open and open.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Shares {
    pub(super) half_open: f64,
    pub(super) open: f64,
}

/// Returns the shares for each slot of a timeline. All gates are closed at first.
pub(super) fn shares(timeline: &Timeline, instances: u32) -> Vec<Shares> {
    let slot = timeline.slot.as_nanos().max(1) as f64;
    let mut shares = vec![Shares::default(); timeline.slots.len()];
    let mut gates = vec![(Timestamp::START, Gate::Closed); instances as usize];
    let mut spend = |gate: Gate, from: Timestamp, until: Timestamp| {
        let (from, until) = (from.as_nanos() as f64 / slot, until.as_nanos() as f64 / slot);
        let touched = shares.iter_mut().enumerate().skip(from as usize);
        for (index, share) in touched.take_while(|(index, _)| (*index as f64) < until) {
            let within = until.min((index + 1) as f64) - from.max(index as f64);
            match gate {
                Gate::Closed => {}
                Gate::HalfOpen => share.half_open += within / f64::from(instances),
                Gate::Open => share.open += within / f64::from(instances),
            }
        }
    };
    for (at, instance, gate) in &timeline.gates {
        let (since, before) = std::mem::replace(&mut gates[*instance as usize], (*at, *gate));
        spend(before, since, *at);
    }
    let end = Timestamp::START + timeline.slot * timeline.slots.len() as u32;
    gates.into_iter().for_each(|(since, gate)| spend(gate, since, end));
    shares
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::Slot;

    #[test]
    fn time_is_shared_by_slots_and_instances() {
        let at = |seconds: u64| Timestamp::START + Duration::from_secs(seconds);
        let timeline = Timeline {
            slots: vec![Slot::default(); 4],
            slot: Duration::from_secs(10),
            gates: vec![
                (at(5), 0, Gate::Open),
                (at(20), 1, Gate::Open),
                (at(25), 0, Gate::HalfOpen),
            ],
        };
        let shares = shares(&timeline, 2);
        assert_eq!(
            shares.iter().map(|share| share.open).collect::<Vec<_>>(),
            [0.25, 0.5, 0.75, 0.5]
        );
        assert_eq!(
            shares.iter().map(|share| share.half_open).collect::<Vec<_>>(),
            [0.0, 0.0, 0.25, 0.5]
        );
    }
}
