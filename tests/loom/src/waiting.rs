use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use loom::thread;
use tower::{Layer, Service};
use tower_breaker::{CircuitBreakerLayer, Outcome, policy::ConsecutiveFailures};

use crate::{HandClock, answering::Answering, model};

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The breaker opens just as a task begins to wait for the primary.
#[test]
fn a_task_that_waits_sees_the_breaker_open_or_is_woken() {
    model(|| {
        let layer = CircuitBreakerLayer::builder()
            .backup(Answering::Never)
            .clock(HandClock::default())
            .seed(0)
            .build()
            .expect("the settings are valid");
        let mut service = layer.layer(Answering::Never);
        let breaker = layer.breaker().clone();
        let another = thread::spawn(move || breaker.force_open("it hangs", None));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let first = Service::<()>::poll_ready(&mut service, &mut Context::from_waker(&waker));
        another.join().unwrap();
        assert!(first.is_ready() || woken.0.load(Ordering::Relaxed));
        assert!(service.poll_ready(&mut Context::from_waker(&waker)).is_ready());
    });
}

/// The breaker opens again just as its probe is polled for the first time.
#[test]
fn a_probe_that_waits_sees_the_breaker_open_or_is_woken() {
    model(|| {
        let clock = HandClock::default();
        let layer = CircuitBreakerLayer::builder()
            .trip_when(ConsecutiveFailures::of(1))
            .open_duration(Duration::from_secs(1))
            .backup(Answering::Always)
            .clock(clock.clone())
            .seed(0)
            .build()
            .expect("the settings are valid");
        let breaker = layer.breaker().clone();
        breaker.try_acquire().expect("it is closed").record(Outcome::Failure);
        clock.set(1000);
        let mut probe = pin!(layer.layer(Answering::Never).call(()));
        let another = thread::spawn(move || breaker.force_open("it hangs", None));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let cx = &mut Context::from_waker(&waker);
        let first = probe.as_mut().poll(cx);
        another.join().unwrap();
        if first.is_pending() {
            assert!(woken.0.load(Ordering::Relaxed));
            assert!(probe.poll(cx).is_ready());
        }
    });
}
