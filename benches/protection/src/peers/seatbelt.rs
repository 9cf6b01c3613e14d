//! The crate seatbelt.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use seatbelt::{
    RecoveryInfo, ResilienceContext,
    breaker::{Breaker, BreakerConfig, HalfOpenMode},
};
use tick::ClockControl;
use tower::Layer;
use tower_breaker::clock::Timestamp;

use super::tower_service::{Failed, Primary, Ticket, TowerService};
use crate::contestant::{Call, CallId, Contestant, End, Gate, Route};

/// The crate's breaker, as a Tower service.
pub(super) struct Seatbelt {
    service: TowerService<Breaker<Ticket, Result<(), Failed>, Primary>>,
    clock: ClockControl,
    now: Timestamp,
    gate: Arc<SharedGate>,
    rng: Rng,
}

/// The state that its callbacks reported last.
#[derive(Debug, Default)]
struct SharedGate(AtomicU8);

impl Seatbelt {
    pub(super) fn with_defaults(seed: u64) -> Self {
        Self::new(seed, |_| {})
    }

    pub(super) fn tuned(seed: u64, half_open_mode: HalfOpenMode) -> Self {
        Self::new(seed, |config| {
            config.failure_threshold = 0.5;
            config.min_throughput = 20;
            config.sampling_duration = Duration::from_secs(10);
            config.break_duration = Duration::from_secs(5);
            config.half_open_mode = half_open_mode;
        })
    }

    fn new(seed: u64, configure: impl FnOnce(&mut BreakerConfig)) -> Self {
        let clock = ClockControl::new();
        let context = ResilienceContext::new(clock.to_clock());
        let gate = Arc::new(SharedGate::default());
        let (opened, probing, closed) = (Arc::clone(&gate), Arc::clone(&gate), Arc::clone(&gate));
        let mut config = BreakerConfig::default();
        configure(&mut config);
        let layer = Breaker::layer("peer", &context)
            .config(&config)
            .recovery_with(|result, _| match result {
                Ok(()) => RecoveryInfo::never(),
                Err(Failed) => RecoveryInfo::retry(),
            })
            .rejected_input_error(|_, _| Failed)
            .on_opened(move |_, _| opened.set(Gate::Open))
            .on_probing(move |_, _| probing.set(Gate::HalfOpen))
            .on_closed(move |_, _| closed.set(Gate::Closed));
        Self {
            service: TowerService::new(layer.layer(Primary)),
            clock,
            now: Timestamp::START,
            gate,
            rng: super::rng(seed),
        }
    }

    fn follow_time(&mut self, now: Timestamp) {
        self.clock.advance(now.since(self.now));
        self.now = now;
    }
}

impl Contestant for Seatbelt {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        self.follow_time(now);
        // The crate draws from the thread's generator, which other contestants use too. A seed
        // before each draw makes it repeatable.
        fastrand::seed(self.rng.u64(..));
        self.service.ask()
    }

    fn primary_ended(&mut self, id: CallId, end: End, now: Timestamp) {
        self.follow_time(now);
        self.service.primary_ended(id, end);
        // No callback reports a failed probe, but the service's debug output shows the state.
        if self.gate.get() == Gate::HalfOpen && format!("{:?}", self.service.service).contains("Open { open_until") {
            self.gate.set(Gate::Open);
        }
    }

    fn gate(&self, _now: Timestamp) -> Gate {
        self.gate.get()
    }
}

impl SharedGate {
    fn set(&self, gate: Gate) {
        self.0.store(gate as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Gate {
        [Gate::Closed, Gate::HalfOpen, Gate::Open]
            .into_iter()
            .find(|&gate| gate as u8 == self.0.load(Ordering::Relaxed))
            .expect("a gate was stored")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::script::Script;

    fn quick() -> Script<Seatbelt> {
        Script::new(Seatbelt::tuned(1, HalfOpenMode::quick()))
    }

    #[test]
    fn by_default_it_trips_at_a_tenth_of_a_hundred_calls() {
        let mut script = Script::new(Seatbelt::with_defaults(1));
        script.calls(90, End::Success);
        script.calls(9, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
        assert!(!script.admitted());
    }

    #[test]
    fn by_default_it_gives_access_back_in_stages_of_five_seconds() {
        let mut script = Script::new(Seatbelt::with_defaults(1));
        script.calls(100, End::Failure);
        script.wait(5.0);
        assert!(script.admitted());
        let mut seconds = 0.0;
        script.wait(5.001);
        while script.gate() != Gate::Closed {
            if let Route::Primary(id) = script.ask() {
                script.end(id, End::Success);
            }
            script.wait(0.01);
            seconds += 0.01;
        }
        assert!((30.0..50.0).contains(&seconds), "{seconds} s");
    }

    #[test]
    fn tuned_it_stays_open_for_five_seconds_and_one_probe_closes_it() {
        let mut script = quick();
        script.calls(19, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        script.wait(4.999);
        assert!(!script.admitted());
        script.wait(0.001);
        let probe = script.start();
        assert_eq!(script.gate(), Gate::HalfOpen);
        assert!(!script.admitted());
        script.end(probe, End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn a_failed_probe_opens_it_again() {
        let mut script = quick();
        script.calls(20, End::Failure);
        script.wait(5.0);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
        assert!(!script.admitted());
    }

    #[test]
    fn a_cancelled_probe_is_replaced_after_the_break() {
        let mut script = quick();
        script.calls(20, End::Failure);
        script.wait(5.0);
        script.call(End::Dropped);
        assert_eq!(script.gate(), Gate::HalfOpen);
        assert!(!script.admitted());
        script.wait(5.001);
        script.call(End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    #[test]
    fn failures_leave_the_window_after_ten_seconds() {
        let mut script = quick();
        script.calls(19, End::Failure);
        script.wait(10.001);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
    }
}
