//! This project's layer on each path.

use std::{cell::Cell, thread, time::Duration};

use tower::Layer;
use tower_breaker::{
    CircuitBreaker, CircuitBreakerLayer, CircuitOpen, State,
    clock::FastClock,
    config::SlowAfter,
    layer::CircuitBreakerLayerBuilder,
    on_open::Reject,
    policy::{ConsecutiveFailures, Policy},
    recovery::Recovery,
};

use crate::{
    path::Path,
    primary::{Backup, Failed, Primary, Request},
    subject::{Driven, Subject},
};

impl From<CircuitOpen> for Failed {
    fn from(_open: CircuitOpen) -> Self {
        Self::Rejected
    }
}

/// Longer than any measurement.
const LONG: Duration = Duration::from_secs(86_400);

pub(crate) fn subject<P: Primary>(path: Path, primary: P) -> Box<dyn Subject> {
    let closed = |slow_after| Driven::new(around(builder().slow_after(slow_after), primary.clone()));
    match path {
        Path::Closed => Box::new(closed(SlowAfter::Never)),
        Path::SlowAfter => Box::new(closed(SlowAfter::After(Duration::from_secs(1)))),
        Path::Learned => Box::new(having_learned(closed(SlowAfter::Learned))),
        Path::Errors => Box::new(closed(SlowAfter::Never).first_of_ten(Request::Fail)),
        Path::Rejecting => Box::new(tripped(around(tripping().open_duration(LONG), primary))),
        Path::Backup => {
            let layer = tripping().open_duration(LONG).backup(Backup).build();
            Box::new(tripped(layer.expect("the settings are within bounds").layer(primary)))
        }
        Path::HalfOpen => Box::new(probing(primary)),
        Path::FastClock => {
            let limit = Duration::from_secs(1);
            Box::new(Driven::new(around(
                builder().slow_after(limit).clock(FastClock::new()),
                primary,
            )))
        }
        Path::Keyed => {
            let layer = CircuitBreakerLayer::keyed(|_: &Request| next_key()).slow_after(SlowAfter::Never);
            let layer = layer.build().expect("the settings are within bounds");
            Box::new(Driven::new(layer.layer(primary)))
        }
    }
}

/// Returns one of 100 keys. Each thread goes through them in order.
fn next_key() -> u32 {
    thread_local! {
        static NEXT: Cell<u32> = const { Cell::new(0) };
    }
    let key = NEXT.get();
    NEXT.set((key + 1) % 100);
    key
}

/// Builds a closed breaker with a `slow_after` that no call reaches.
pub(crate) fn never_overdue<P: Primary>(primary: P) -> Box<dyn Subject> {
    Box::new(Driven::new(around(builder().slow_after(LONG), primary)))
}

/// Builds a closed breaker with this policy. No call is slow.
pub(crate) fn with_policy<P: Primary>(policy: impl Into<Policy>, primary: P) -> Box<dyn Subject> {
    let builder = builder().slow_after(SlowAfter::Never).trip_when(policy);
    Box::new(Driven::new(around(builder, primary)))
}

fn builder() -> CircuitBreakerLayerBuilder {
    CircuitBreakerLayer::builder()
}

fn around<P: Primary>(builder: CircuitBreakerLayerBuilder, primary: P) -> CircuitBreaker<P, Reject> {
    builder.build().expect("the settings are within bounds").layer(primary)
}

fn tripping() -> CircuitBreakerLayerBuilder {
    builder().trip_when(ConsecutiveFailures::of(1))
}

fn tripped<S>(service: S) -> Driven<S>
where
    Driven<S>: Subject,
    S: tower::Service<Request>,
{
    let mut driven = Driven::new(service);
    let _ = driven.call(Request::Fail);
    driven
}

/// Brings a breaker into its last half-open stage, which lasts for a day. All calls flow.
fn probing<P: Primary>(primary: P) -> Driven<CircuitBreaker<P, Reject>> {
    let open_duration = Duration::from_millis(1);
    let recovery = Recovery::gradual().stages([100]).stage_duration(LONG);
    let builder = tripping().open_duration(open_duration).recovery(recovery);
    let mut driven = tripped(around(builder, primary));
    while driven.service().breaker().state() != State::HalfOpen {
        thread::sleep(open_duration);
        let _ = driven.call(Request::Succeed);
    }
    driven
}

/// Calls until `slow_after` has been learned. That takes 64 successes, about ten a second.
fn having_learned<P: Primary>(mut driven: Driven<CircuitBreaker<P, Reject>>) -> Driven<CircuitBreaker<P, Reject>> {
    while driven.service().breaker().snapshot().slow_after.is_none() {
        thread::sleep(Duration::from_millis(20));
        driven.run(10);
    }
    driven
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primary::Steady;

    #[test]
    fn half_open_lasts() {
        let mut driven = probing(Steady);
        driven.run(100_000);
        assert_eq!(driven.service().breaker().state(), State::HalfOpen);
    }

    #[test]
    fn what_has_been_learned_is_in_force() {
        let driven = having_learned(Driven::new(around(builder().slow_after(SlowAfter::Learned), Steady)));
        assert!(driven.service().breaker().snapshot().slow_after.is_some());
    }
}
