//! A primary whose readiness fails leaves a trace as well.

use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use tower::{BoxError, Layer, Service};
use tower_breaker::{
    CircuitBreakerLayer, Config, ConsecutiveFailures, Event, Transition,
    replay::{Recorder, Replay, Trace},
};

use crate::{
    live::MS,
    support::{HandClock, Memory},
};

/// Never ready: it fails each time that it is asked.
#[derive(Clone, Debug)]
struct Unready;

impl Service<()> for Unready {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Err("not ready".into()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

/// What a breaker did, and what its recorders wrote of it.
#[derive(Default)]
struct Recorded {
    clock: HandClock,
    csv: Memory,
    json: Memory,
    changes: Arc<Mutex<Vec<(u64, Transition)>>>,
}

impl Recorded {
    fn layer(&self, config: Config) -> CircuitBreakerLayer {
        let changes = self.changes.clone();
        CircuitBreakerLayer::builder()
            .config(config)
            .clock(self.clock.clone())
            .seed(0)
            .observer(Recorder::csv(self.csv.clone()))
            .observer(Recorder::json_lines(self.json.clone()))
            .on_event(move |event: &Event| {
                let change = (event.at.as_nanos(), event.transition.clone());
                changes.lock().unwrap().push(change);
            })
            .build()
            .unwrap()
    }

    /// Once the breaker is gone, and with it all that the recorders held back.
    fn assert_replay_is_exact(&self, config: &Config) {
        let traces = [
            Trace::read_csv(self.csv.text().as_bytes()).unwrap(),
            Trace::read_json_lines(self.json.text().as_bytes()).unwrap(),
        ];
        for trace in traces {
            let report = Replay::new(config.clone()).run(&trace).unwrap();
            let changes = report.changes.into_iter();
            let changes: Vec<_> = changes
                .map(|change| (change.at.as_nanos(), change.transition))
                .collect();
            assert_eq!(changes, *self.changes.lock().unwrap());
        }
    }
}

fn poll_ready(service: &mut impl Service<(), Error = BoxError>) -> Poll<Result<(), BoxError>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_primary_that_is_never_ready_trips_a_replay_when_it_tripped_the_live_breaker() {
    let config = Config::new("unready").trip_when(ConsecutiveFailures::of(3));
    let recorded = Recorded::default();
    let mut service = recorded.layer(config.clone()).layer(Unready);
    for call in 1..=5 {
        recorded.clock.set(call * 100 * MS);
        assert!(poll_ready(&mut service).is_ready());
    }
    drop(service);
    let rows = recorded.csv.text();
    assert_eq!(rows.lines().nth(1).unwrap(), "0.1,unready,failure,0,,,1-1");
    let changes = recorded.changes.lock().unwrap().clone();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].0, 300 * MS);
    recorded.assert_replay_is_exact(&config);
}
