use crate::{breaker::Permit, machine::Outcome};

/// Runs a service's code; a panic in it is a failure of its call, whoever catches the panic.
///
/// Not told by `thread::panicking()` in the permit's drop: a neighbour's panic may drop it too.
pub(crate) fn failing_on_panic<R>(permit: &mut Option<Permit>, run: impl FnOnce() -> R) -> R {
    struct Guard<'a> {
        permit: &'a mut Option<Permit>,
        returned: bool,
    }

    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            if !self.returned {
                if let Some(permit) = self.permit.take() {
                    permit.record(Outcome::Failure);
                }
            }
        }
    }

    let mut guard = Guard {
        permit,
        returned: false,
    };
    let result = run();
    guard.returned = true;
    result
}
