//! Each series that the dashboard and the alert rules name exists.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::sleep;
use tower::service_fn;
use tower_breaker::{Outcome, agent::Agent, config::SlowAfter, registry::Registry, telemetry::Exporter};
use yaml_rust2::YamlLoader;

use crate::support::*;

const DASHBOARD: &str = include_str!("../../dashboards/grafana.json");
const ALERTS: &str = include_str!("../../dashboards/alerts.yaml");

/// The series in an expression, each with the labels that it asks for.
fn named(expression: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    for (at, _) in expression.match_indices("tower_breaker_") {
        let rest = &expression[at..];
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let labels = rest[end..]
            .strip_prefix('{')
            .and_then(|labels| labels.split('}').next())
            .unwrap_or_default();
        let labels = labels.split(',').filter_map(|label| label.split_once("=\""));
        let labels = labels.filter(|(_, value)| !value.starts_with("$breaker"));
        let labels = labels.map(|(name, value)| (name.trim().to_owned(), value.trim_end_matches('"').to_owned()));
        found.push((rest[..end].to_owned(), labels.collect()));
    }
    found
}

/// What an exporter gives once everything has happened.
async fn everything() -> Figures {
    let registry = Registry::new();
    let exporter_registry = registry.clone();
    let layer = tower_breaker::CircuitBreakerLayer::builder()
        .name("a")
        .slow_after(SlowAfter::Learned)
        .registry(&registry)
        .build()
        .unwrap();
    let agent = Arc::new(Agent::builder().every(secs(1)).trip_after(None).build().unwrap());
    agent
        .watch(layer.breaker(), service_fn(|()| async { Ok::<_, String>(()) }))
        .unwrap();
    let exporter = Exporter::new(&exporter_registry).agent(&agent);
    for _ in 0..1000 {
        let permit = layer.breaker().try_acquire().unwrap();
        sleep(ms(20)).await;
        permit.record(Outcome::Success);
    }
    let text = exporter.prometheus();
    layer
        .breaker()
        .trip(tower_breaker::policy::TripReason::custom("disk", 1.0, 0.0));
    sleep(Duration::from_secs(1)).await;
    let group = tower_breaker::group::Group::builder().build().unwrap();
    let held = ["b", "c"].map(|name| {
        let layer = tower_breaker::CircuitBreakerLayer::builder()
            .name(name)
            .group(&group)
            .registry(&registry);
        layer
            .trip_when(tower_breaker::policy::ConsecutiveFailures::of(1))
            .build()
            .unwrap()
    });
    for layer in &held {
        call(layer, Outcome::Failure);
    }
    let mut figures = parsed(&text);
    figures.extend(parsed(&exporter.prometheus()));
    figures
}

#[tokio::test(start_paused = true)]
async fn each_series_that_is_named_exists() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut expressions: Vec<String> = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            expressions.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    let panels = expressions.len();
    let alerts = &YamlLoader::load_from_str(ALERTS).unwrap()[0];
    for group in alerts["groups"].as_vec().unwrap() {
        for rule in group["rules"].as_vec().unwrap() {
            assert!(rule["alert"].as_str().is_some() && rule["annotations"]["summary"].as_str().is_some());
            expressions.push(rule["expr"].as_str().unwrap().to_owned());
        }
    }
    assert!(panels >= 15 && expressions.len() >= panels + 8);

    let figures = everything().await;
    let mut names = BTreeSet::new();
    for expression in &expressions {
        let series = named(expression);
        assert!(!series.is_empty(), "{expression}");
        for (name, labels) in series {
            let fits = |(metric, values): &&(String, std::collections::BTreeMap<String, String>)| {
                *metric == name
                    && labels.iter().all(|(label, value)| {
                        values
                            .get(label)
                            .is_some_and(|one| one == value || label.ends_with('!'))
                    })
            };
            let wanted: Vec<_> = labels.iter().filter(|(label, _)| !label.ends_with('!')).collect();
            let exists = figures.keys().find(fits).is_some()
                || wanted.is_empty() && figures.keys().any(|(metric, _)| *metric == name);
            assert!(exists, "{name} {labels:?}, of {expression}, doesn't exist");
            names.insert(name);
        }
    }
    // Nearly all there is is looked at.
    assert!(names.len() >= 18, "{names:?}");
}
