//! The crate tower-resilience-circuitbreaker.

use std::time::Duration;

use tower::Layer;
use tower_breaker::clock::Timestamp;
use tower_resilience_circuitbreaker::{
    CircuitBreaker, CircuitBreakerConfigBuilder, CircuitBreakerHandle, CircuitBreakerLayer, CircuitState,
    SlidingWindowType, classifier::DefaultClassifier,
};

use super::tower_service::{Primary, TowerService};
use crate::{
    contestant::{Call, CallId, Contestant, End, Gate, Route},
    virtual_clock,
};

/// The crate's breaker, as a Tower service.
pub(super) struct TowerResilience {
    service: TowerService<CircuitBreaker<Primary, DefaultClassifier>>,
    handle: CircuitBreakerHandle,
}

impl TowerResilience {
    pub(super) fn with_defaults() -> Self {
        Self::new(CircuitBreakerLayer::builder())
    }

    /// Builds it for this traffic, with one probe like by default. With more, probes that lie
    /// further apart than the window never suffice to close it, and their permits are lost.
    pub(super) fn tuned(objective: Duration) -> Self {
        Self::new(
            CircuitBreakerLayer::builder()
                .sliding_window_type(SlidingWindowType::TimeBased)
                .sliding_window_duration(Duration::from_secs(10))
                .minimum_number_of_calls(20)
                .failure_rate_threshold(0.5)
                .slow_call_duration_threshold(objective)
                .slow_call_rate_threshold(0.5)
                .wait_duration_in_open(Duration::from_secs(5))
                .permitted_calls_in_half_open(1),
        )
    }

    fn new(builder: CircuitBreakerConfigBuilder<DefaultClassifier>) -> Self {
        let _clock = virtual_clock::at(Timestamp::START);
        let (layer, handle) = builder.build_with_handle().expect("the settings are within bounds");
        Self {
            service: TowerService::new(layer.layer(Primary)),
            handle,
        }
    }
}

impl Contestant for TowerResilience {
    fn ask(&mut self, _call: Call, now: Timestamp) -> Route {
        let _clock = virtual_clock::at(now);
        self.service.ask()
    }

    fn primary_ended(&mut self, id: CallId, end: End, now: Timestamp) {
        let _clock = virtual_clock::at(now);
        self.service.primary_ended(id, end);
    }

    fn gate(&self, _now: Timestamp) -> Gate {
        match self.handle.state() {
            CircuitState::Closed => Gate::Closed,
            CircuitState::Open => Gate::Open,
            CircuitState::HalfOpen => Gate::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::script::Script;

    #[test]
    fn by_default_it_trips_at_half_of_a_hundred_calls_and_recovers_with_one_probe_after_thirty_seconds() {
        let mut script = Script::new(TowerResilience::with_defaults());
        script.calls(50, End::Success);
        script.calls(49, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
        script.wait(29.999);
        assert!(!script.admitted());
        script.wait(0.001);
        let probe = script.start();
        assert!(!script.admitted());
        script.end(probe, End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    /// The window over a number of calls doesn't slide. It counts from the last change of state.
    #[test]
    fn after_much_success_by_default_it_takes_as_many_failures() {
        let mut script = Script::new(TowerResilience::with_defaults());
        script.calls(1000, End::Success);
        script.calls(999, End::Failure);
        assert_eq!(script.gate(), Gate::Closed);
        script.call(End::Failure);
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn tuned_it_trips_on_slow_calls_and_forgets_after_ten_seconds() {
        let mut script = Script::new(TowerResilience::tuned(Duration::from_millis(500)));
        script.calls(19, End::Failure);
        script.wait(10.001);
        for n in 0..20 {
            assert_eq!(script.gate(), Gate::Closed, "after {n} calls");
            script.call_taking(if n % 2 == 0 { 0.3 } else { 0.5 }, End::Success);
        }
        assert_eq!(script.gate(), Gate::Open);
    }

    #[test]
    fn a_cancelled_probe_gives_its_permit_back() {
        let mut script = Script::new(TowerResilience::with_defaults());
        script.calls(100, End::Failure);
        script.wait(30.0);
        script.call(End::Dropped);
        script.call(End::Success);
        assert_eq!(script.gate(), Gate::Closed);
    }

    /// Its lock is one of tokio's, which makes a task wait that has polled often.
    #[test]
    fn a_task_may_make_any_number_of_calls() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut script = Script::new(TowerResilience::with_defaults());
            script.calls(1000, End::Success);
        });
    }

    /// This is why the tuned row has one probe.
    #[test]
    fn probes_further_apart_than_the_window_leave_it_half_open_for_good() {
        let builder = CircuitBreakerLayer::builder()
            .sliding_window_type(SlidingWindowType::TimeBased)
            .sliding_window_duration(Duration::from_secs(10))
            .minimum_number_of_calls(20)
            .permitted_calls_in_half_open(3);
        let mut script = Script::new(TowerResilience::new(builder));
        script.calls(20, End::Failure);
        script.wait(30.0);
        for _ in 0..3 {
            script.call(End::Success);
            script.wait(6.0);
        }
        script.wait(3600.0);
        assert!(!script.admitted());
    }
}
