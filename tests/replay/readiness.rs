//! A primary whose readiness fails leaves a trace as well.

use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower::{BoxError, Layer, Service};
use tower_breaker::{
    CircuitBreakerLayer, Config, Event, Evidence, Outcome,
    observe::Transition,
    policy::{ConsecutiveFailures, TripReason},
    replay::{Recorder, Replay, Trace},
};

use crate::{
    common::{clock::ManualClock, durations::ms},
    live::MS,
    support::Memory,
};

/// Fails each time that it is asked whether it is ready, which takes a while.
#[derive(Clone, Debug)]
struct Unready {
    clock: ManualClock,
    asked_until: u64,
}

impl Service<()> for Unready {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.clock.set(Duration::from_nanos(self.asked_until));
        Poll::Ready(Err("not ready".into()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

/// What a breaker did, and what its recorders wrote of it.
#[derive(Default)]
struct Recorded {
    clock: ManualClock,
    csv: Memory,
    json: Memory,
    changes: Arc<Mutex<Vec<(u64, Transition)>>>,
}

impl Recorded {
    fn unready(&self, asked_until: u64) -> Unready {
        Unready {
            clock: self.clock.clone(),
            asked_until,
        }
    }

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
    let layer = recorded.layer(config.clone());
    for call in 1..=5 {
        let mut service = layer.layer(recorded.unready(call * 100 * MS));
        assert!(poll_ready(&mut service).is_ready());
    }
    drop(layer);
    let rows = recorded.csv.text();
    assert_eq!(rows.lines().nth(1).unwrap(), "0.1,unready,failure,0,,,1-1");
    let changes = recorded.changes.lock().unwrap().clone();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].0, 300 * MS);
    recorded.assert_replay_is_exact(&config);
}

#[test]
fn evidence_that_ripens_while_readiness_is_asked_for_trips_before_its_failure_counts() {
    let config = Config::new("ripe").trip_when(Evidence::tolerating(0.5).sustained_for(ms(500)));
    let recorded = Recorded::default();
    let layer = recorded.layer(config.clone());
    recorded.clock.set(Duration::from_nanos(100 * MS));
    for _ in 0..20 {
        layer.breaker().try_acquire().unwrap().record(Outcome::Failure);
    }
    recorded.clock.set(Duration::from_nanos(599 * MS));
    let mut service = layer.layer(recorded.unready(601 * MS));
    assert!(poll_ready(&mut service).is_ready());
    drop((service, layer));
    let changes = recorded.changes.lock().unwrap().clone();
    let [(at, Transition::Opened { reason, .. })] = &*changes else {
        panic!("{changes:?}");
    };
    assert_eq!(*at, 601 * MS);
    assert!(matches!(reason, TripReason::Evidence { bad: 20, .. }), "{reason:?}");
    recorded.assert_replay_is_exact(&config);
}
