use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use loom::thread;
use tower::{Layer, Service};
use tower_breaker::{CircuitBreakerLayer, State};

use crate::{HandClock, answering::Answering, model};

fn call(service: &mut impl Service<(), Response = (), Error = Infallible>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let future = pin!(service.call(()));
    assert!(future.poll(&mut cx).is_ready());
}

/// Calls to the backup on two threads, some of which end on the fast path, while the breaker is
/// reset.
#[test]
fn each_call_to_the_backup_is_counted_once() {
    model(|| {
        let clock = HandClock::default();
        clock.set(1);
        let layer = CircuitBreakerLayer::builder()
            .backup(Answering::Always)
            .clock(clock)
            .seed(0)
            .build()
            .expect("the settings are valid");
        let breaker = layer.breaker().clone();
        breaker.force_open("a trial", Duration::from_secs(1));
        let service = layer.layer(Answering::Always);
        // The first one in a shard is timed, and ends at the lock.
        call(&mut service.clone());
        let another = thread::spawn({
            let mut service = service.clone();
            move || call(&mut service)
        });
        call(&mut service.clone());
        breaker.reset("well again");
        another.join().unwrap();
        let snapshot = breaker.snapshot();
        let (backup, primary) = (snapshot.totals.backup, snapshot.totals.primary);
        assert_eq!(backup.calls, snapshot.totals.refused);
        assert_eq!((backup.succeeded, primary.calls), (backup.calls, 3 - backup.calls));
        assert_eq!((snapshot.state, snapshot.in_flight), (State::Closed, 0));
    });
}
