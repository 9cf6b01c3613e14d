use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Meter, ObservableCounter, ObservableGauge},
};
use tokio::time::Instant;

use super::{Exporter, Kind, SERIES, collector::Collector, sample::Sample, series::Series};

/// Instruments that a meter reads. They are the meter's: dropping this changes nothing.
pub struct Registration {
    _counters: Vec<ObservableCounter<f64>>,
    _gauges: Vec<ObservableGauge<f64>>,
}

/// What all instruments of a reading share, so that they tell of the same moment.
struct Latest {
    exporter: Exporter,
    samples: Mutex<Option<(Instant, Vec<Sample>)>>,
}

/// One reading of all instruments takes no longer than this.
const A_READING: Duration = Duration::from_millis(100);

impl Exporter {
    /// Has a meter read all figures whenever it is asked to: an observable instrument for each of [`SERIES`], under its name.
    pub fn register(&self, meter: &Meter) -> Registration {
        let latest = Arc::new(Latest {
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

impl Latest {
    fn observe(&self, series: &Series, observer: &dyn AsyncInstrument<f64>) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.as_ref().is_none_or(|(at, _)| at.elapsed() >= A_READING) {
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
