use std::{sync::Arc, time::Duration};

use metrics::{Label, counter, describe_counter, describe_gauge, gauge};

use super::{Exporter, Kind, SERIES, collector::Collector, sample::Sample};

impl Exporter {
    /// Sends all figures to the recorder of the `metrics` facade: to be called before each scrape. Counters of seconds are gauges there, for its counters
    /// are whole numbers.
    ///
    /// The facade can't end a series: those of a breaker that is gone are set to 0 once, and then left alone, so that an exporter's idle timeout removes them.
    pub fn publish(&self) {
        let (samples, gone) = self.with(|collector| (collector.collect(), Collector::take_gone(collector)));
        for sample in &samples {
            send(sample);
        }
        for breaker in gone {
            for series in SERIES
                .iter()
                .filter(|series| series.kind == Kind::Gauge && series.labels.is_empty())
            {
                gauge!(series.name, vec![label("breaker", &breaker)]).set(0.0);
            }
            for (name, values) in [("state", STATES), ("mode", MODES)] {
                for value in values {
                    let labels = vec![label("breaker", &breaker), Label::from_static_parts(name, value)];
                    gauge!(format!("tower_breaker_{name}"), labels).set(0.0);
                }
            }
        }
    }

    /// [`publish`](Self::publish)es every so often, for as long as it is polled.
    pub async fn run(&self, every: Duration) {
        loop {
            self.publish();
            tokio::time::sleep(every).await;
        }
    }

    /// Tells the facade's recorder what each series is.
    pub fn describe(&self) {
        for series in SERIES {
            if is_whole(series.name, series.kind) {
                describe_counter!(series.name, series.help);
            } else {
                describe_gauge!(series.name, series.help);
            }
        }
    }
}

const STATES: [&str; 4] = ["closed", "open", "ready to probe", "half-open"];
const MODES: [&str; 4] = ["automatic", "forced open", "disabled", "shadow"];

fn is_whole(name: &str, kind: Kind) -> bool {
    kind == Kind::Counter && !name.contains("_seconds")
}

fn label(name: &'static str, value: &Arc<str>) -> Label {
    Label::new(name, value.to_string())
}

fn send(sample: &Sample) {
    let labels: Vec<Label> = sample
        .labels()
        .map(|(name, value)| Label::new(name, value.to_owned()))
        .collect();
    let name = sample.series.name;
    if is_whole(name, sample.series.kind) {
        counter!(name, labels).absolute(sample.value as u64);
    } else {
        gauge!(name, labels).set(sample.value);
    }
}
