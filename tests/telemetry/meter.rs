use std::collections::BTreeMap;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData},
};
use tower_breaker::{Outcome, registry::Registry, telemetry::Exporter};

use crate::support::*;

#[test]
fn a_meter_reads_what_the_text_says() {
    // The reader has a thread of its own, so time isn't paused here; nothing below depends on it.
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let layer = layer(&registry, "a");
    call(&layer, Outcome::Success);
    layer.breaker().force_open("an example", None);

    let kept = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(kept.clone()).build())
        .build();
    let _registration = exporter.register(&provider.meter("test"));
    provider.force_flush().unwrap();

    let mut read = Figures::new();
    for resource in kept.get_finished_metrics().unwrap() {
        for scope in resource.scope_metrics() {
            for metric in scope.metrics() {
                let mut note = |attributes: BTreeMap<String, String>, value| {
                    read.insert((metric.name().to_owned(), attributes), value);
                };
                let labels = |attributes: &mut dyn Iterator<Item = &opentelemetry::KeyValue>| {
                    attributes
                        .map(|one| (one.key.to_string(), one.value.to_string()))
                        .collect()
                };
                match metric.data() {
                    AggregatedMetrics::F64(MetricData::Sum(sum)) => {
                        assert!(sum.is_monotonic(), "{}", metric.name());
                        for point in sum.data_points() {
                            note(labels(&mut point.attributes()), point.value());
                        }
                    }
                    AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                        for point in gauge.data_points() {
                            note(labels(&mut point.attributes()), point.value());
                        }
                    }
                    other => panic!("{}: {other:?}", metric.name()),
                }
            }
        }
    }
    let text = parsed(&exporter.prometheus());
    assert!(
        text.len() > 30 && read.len() == text.len(),
        "{} {}",
        read.len(),
        text.len()
    );
    for (series, value) in &text {
        // Seconds go on.
        if !series.0.contains("_seconds") {
            assert_eq!(read.get(series), Some(value), "{series:?}");
        }
    }
}
