//! Sends the figures to the `metrics` facade.
//!
//! The facade has no way to end a series: those of a breaker that has ended are set to 0, once.

use std::{sync::Arc, time::Duration};

use metrics::{Label, counter, describe_counter, describe_gauge, gauge};

use super::{Exporter, Kind, SERIES, collector::Collector, sample::Sample};
use crate::machine::{Mode, State};

impl Exporter {
    /// Sends all figures to the recorder of the `metrics` facade. Call it before each scrape.
    ///
    /// Counters of seconds are gauges there, since the facade's counters are whole numbers. The
    /// facade can't end a series: those of a breaker that has ended are set to 0 once and then left
    /// alone, so that an exporter's idle timeout removes them.
    pub fn publish(&self) {
        let (samples, ended) = self.with(|collector| (collector.collect(), Collector::take_ended(collector)));
        for sample in &samples {
            send(sample);
        }
        for breaker in ended {
            for series in SERIES
                .iter()
                .filter(|series| series.kind == Kind::Gauge && series.labels.is_empty())
            {
                gauge!(series.name, vec![label("breaker", &breaker)]).set(0.0);
            }
            let states = State::ALL.iter().map(|state| ("state", state.name()));
            let modes = Mode::ALL.iter().map(|mode| ("mode", mode.name()));
            for (name, value) in states.chain(modes) {
                let labels = vec![label("breaker", &breaker), Label::from_static_parts(name, value)];
                gauge!(format!("tower_breaker_{name}"), labels).set(0.0);
            }
        }
    }

    /// Calls [`publish`](Self::publish) at this interval, for as long as the future is polled.
    pub async fn run(&self, every: Duration) {
        loop {
            self.publish();
            tokio::time::sleep(every).await;
        }
    }

    /// Describes each series to the facade's recorder.
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

/// Returns whether a series is a counter in the facade, whose counters are whole numbers.
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
