use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use loom::thread;
use tower::{Layer, Service};
use tower_breaker::CircuitBreakerLayer;

use crate::{HandClock, model};

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct NeverReady;

impl Service<()> for NeverReady {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

/// The breaker opens just as a task begins to wait for the primary.
#[test]
fn a_task_that_waits_sees_the_breaker_open_or_is_woken() {
    model(|| {
        let layer = CircuitBreakerLayer::builder()
            .backup(NeverReady)
            .clock(HandClock::default())
            .seed(0)
            .build()
            .expect("the settings are valid");
        let mut service = layer.layer(NeverReady);
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
