use std::mem::forget;

use crate::{breaker::Permit, machine::Outcome};

/// Runs a service's code; a panic in it is a failure of its call, whoever catches the panic.
///
/// Not told by `thread::panicking()` in the permit's drop: a neighbour's panic may drop it too.
pub(crate) fn failing_on_panic<R>(permit: &mut Option<Permit>, run: impl FnOnce() -> R) -> R {
    on_panic(run, || {
        if let Some(permit) = permit.take() {
            permit.record(Outcome::Failure);
        }
    })
}

/// Runs `run`, and `then` as well where that panics; the panic goes on. Where it doesn't, `then` isn't even dropped.
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
    // All that it has to do when dropped is what isn't to be done.
    forget(guard);
    result
}
