//! Gives the figures to an OpenTelemetry meter, as observable instruments.
//!
//! A meter reads its instruments one by one. They share one collection, so that all figures of a
//! reading are of the same moment.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Meter, ObservableCounter, ObservableGauge},
};
use tokio::time::Instant;

use super::{Exporter, Kind, SERIES, collector::Collector, sample::Sample, series::Series};
use crate::lock::lock;

/// The instruments that a meter reads. The meter owns them: dropping this changes nothing.
pub struct Registration {
    _counters: Vec<ObservableCounter<f64>>,
    _gauges: Vec<ObservableGauge<f64>>,
}

/// The latest samples, which all instruments of a reading share.
struct LatestSamples {
    exporter: Exporter,
    samples: Mutex<Option<(Instant, Vec<Sample>)>>,
}

/// A meter reads all its instruments within this time. After it, the next instrument collects anew.
const READING: Duration = Duration::from_millis(100);

impl Exporter {
    /// Registers an observable instrument for each of [`SERIES`], under its name. The meter then
    /// reads all figures whenever it collects.
    pub fn register(&self, meter: &Meter) -> Registration {
        let latest = Arc::new(LatestSamples {
            exporter: self.clone(),
            samples: Mutex::default(),
        });
        let mut registration = Registration {
            _counters: Vec::new(),
            _gauges: Vec::new(),
        };
        for series in SERIES {
            let latest = latest.clone();
            let observe = move |observer: &dyn AsyncInstrument<f64>| latest.observe(series, observer);
            match series.kind {
                Kind::Counter => registration._counters.push(
                    meter
                        .f64_observable_counter(series.name)
                        .with_description(series.help)
                        .with_callback(observe)
                        .build(),
                ),
                Kind::Gauge => registration._gauges.push(
                    meter
                        .f64_observable_gauge(series.name)
                        .with_description(series.help)
                        .with_callback(observe)
                        .build(),
                ),
            }
        }
        registration
    }
}

impl LatestSamples {
    fn observe(&self, series: &Series, observer: &dyn AsyncInstrument<f64>) {
        let mut samples = lock(&self.samples);
        if samples.as_ref().is_none_or(|(at, _)| at.elapsed() >= READING) {
            *samples = Some((Instant::now(), self.exporter.with(Collector::collect)));
        }
        let of_this = samples.iter().flat_map(|(_, samples)| samples);
        for sample in of_this.filter(|sample| sample.series == series) {
            let labels: Vec<KeyValue> = sample
                .labels()
                .map(|(name, value)| KeyValue::new(name, value.to_owned()))
                .collect();
            observer.observe(sample.value, &labels);
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}
