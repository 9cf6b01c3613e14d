//! What the tests share.

use std::{collections::BTreeMap, time::Duration};

use prometheus_parse::{Scrape, Value};
use tower_breaker::{CircuitBreakerLayer, Outcome, policy::ConsecutiveFailures, registry::Registry};

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Trips at the third bad call in a row, stays open for exactly ten seconds.
pub(crate) fn layer(registry: &Registry, name: &str) -> CircuitBreakerLayer {
    CircuitBreakerLayer::builder()
        .name(name)
        .trip_when(ConsecutiveFailures::of(3))
        .open_duration(secs(10))
        .slow_after(ms(300))
        .registry(registry)
        .build()
        .unwrap()
}

pub(crate) fn call(layer: &CircuitBreakerLayer, outcome: Outcome) {
    layer.breaker().try_acquire().unwrap().record(outcome);
}

pub(crate) fn trip(layer: &CircuitBreakerLayer) {
    for _ in 0..3 {
        call(layer, Outcome::Failure);
    }
}

/// A series' name and labels, and its value.
pub(crate) type Figures = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// What a parser of Prometheus's text makes of it.
pub(crate) fn parsed(text: &str) -> Figures {
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let samples = scrape.samples.into_iter().map(|sample| {
        let value = match sample.value {
            Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => value,
            other => panic!("{}: {other:?}", sample.metric),
        };
        let labels = sample
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        ((sample.metric, labels), value)
    });
    samples.collect()
}

pub(crate) fn figure(figures: &Figures, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    figures.get(&(format!("tower_breaker_{name}"), labels)).copied()
}
