//! The helpers that the tests of the telemetry share.

use std::collections::BTreeMap;

use prometheus_parse::{Scrape, Value};

pub(crate) use crate::common::{durations::*, registered::*};

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
