//! Panics of the services that a call runs: each is a failure of its call, no matter which code
//! catches it. `layer::service` and `layer::future` run the primary and the backup here, and
//! `protocol::http` the bodies of their responses.

use std::mem::forget;

use crate::{breaker::Permit, machine::Outcome};

/// Runs a service's code, and records a panic in it as a failure of its call. The panic goes on.
///
/// The permit's drop could not tell by `thread::panicking()`: a panic of another call in the same
/// task may drop it, too.
pub(crate) fn failing_on_panic<R>(permit: &mut Option<Permit>, run: impl FnOnce() -> R) -> R {
    on_panic(run, || {
        if let Some(permit) = permit.take() {
            permit.record(Outcome::Failure);
        }
    })
}

/// Runs `run`, and also `then` if it panics. The panic goes on. If it doesn't panic, `then` is
/// neither run nor dropped.
pub(crate) fn on_panic<R>(run: impl FnOnce() -> R, then: impl FnOnce()) -> R {
    struct Guard<F: FnOnce()>(Option<F>);

    impl<F: FnOnce()> Drop for Guard<F> {
        fn drop(&mut self) {
            if let Some(then) = self.0.take() {
                then();
            }
        }
    }

    let guard = Guard(Some(then));
    let result = run();
    // Dropping the guard would run `then`.
    forget(guard);
    result
}
