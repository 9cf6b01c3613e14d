//! The crate tower-resilience-circuitbreaker, as its Tower layer.

use std::{future::ready, thread, time::Duration};

use tower::Layer;
use tower_resilience_circuitbreaker::{
    CircuitBreaker, CircuitBreakerConfigBuilder, CircuitBreakerError, CircuitBreakerLayer, CircuitState,
    SlidingWindowType, classifier::DefaultClassifier,
};

use super::{LONG, after_failures};
use crate::{
    path::Path,
    primary::{Answer, Failed, Primary, Request},
    subject::{Driven, Subject},
};

impl From<CircuitBreakerError<Failed>> for Failed {
    fn from(error: CircuitBreakerError<Failed>) -> Self {
        match error {
            CircuitBreakerError::Inner(failed) => failed,
            CircuitBreakerError::OpenCircuit => Self::Rejected,
        }
    }
}

/// By default, it evaluates the rate after this many calls.
const CALLS: u64 = 100;

pub(crate) fn subject<P: Primary>(path: Path, primary: P) -> Option<Box<dyn Subject>> {
    let builder = CircuitBreakerLayer::builder();
    Some(match path {
        Path::Closed => Box::new(Driven::new(around(builder, primary))),
        Path::SlowAfter => {
            let builder = builder.slow_call_duration_threshold(Duration::from_secs(1));
            Box::new(Driven::new(around(builder, primary)))
        }
        Path::Errors => Box::new(Driven::new(around(builder, primary)).first_of_ten(Request::Fail)),
        Path::Rejecting => Box::new(after_failures(
            around(builder.wait_duration_in_open(LONG), primary),
            CALLS,
        )),
        Path::Backup => {
            let service = around(builder.wait_duration_in_open(LONG), primary);
            let service = service.with_fallback(|_request: Request| Box::pin(ready(Ok(Answer::Backup))));
            Box::new(after_failures(service, CALLS))
        }
        Path::HalfOpen => Box::new(probing(primary)),
        Path::Learned | Path::FastClock | Path::Keyed => return None,
    })
}

/// Builds a closed breaker with a window over a number of calls or a length of time.
pub(crate) fn with_window<P: Primary>(window: Window, primary: P) -> Box<dyn Subject> {
    let builder = CircuitBreakerLayer::builder();
    let builder = match window {
        Window::Calls(calls) => builder.sliding_window_size(calls),
        Window::Time(time) => builder
            .sliding_window_type(SlidingWindowType::TimeBased)
            .sliding_window_duration(time)
            .minimum_number_of_calls(100),
    };
    Box::new(Driven::new(around(builder, primary)))
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    Calls(usize),
    Time(Duration),
}

fn around<P: Primary>(
    builder: CircuitBreakerConfigBuilder<DefaultClassifier>,
    primary: P,
) -> CircuitBreaker<P, DefaultClassifier> {
    builder.build().expect("the settings are within bounds").layer(primary)
}

/// Brings a breaker to half-open, with more calls permitted than will be made.
fn probing<P: Primary>(primary: P) -> Driven<CircuitBreaker<P, DefaultClassifier>> {
    let wait = Duration::from_millis(1);
    let builder = CircuitBreakerLayer::builder()
        .wait_duration_in_open(wait)
        .permitted_calls_in_half_open(1 << 40);
    let mut driven = after_failures(around(builder, primary), CALLS);
    while driven.service().state_sync() != CircuitState::HalfOpen {
        thread::sleep(wait);
        let _ = driven.call(Request::Succeed);
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
        assert_eq!(driven.service().state_sync(), CircuitState::HalfOpen);
    }
}
