//! Measures what a call allocates and what a breaker holds on the heap, with a counting allocator.

use allocation_counter::measure;

use crate::subject::{Subject, TEN};

const CALLS: u64 = 100 * TEN;

/// More than there are subjects at any time.
const TAKERS: usize = 300;

/// Average allocations per call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Allocated {
    pub(crate) times: f64,
    pub(crate) bytes: f64,
}

pub(crate) fn per_call(subject: &mut dyn Subject) -> Allocated {
    subject.run(CALLS);
    let allocated = measure(|| subject.run(CALLS));
    Allocated {
        times: allocated.count_total as f64 / CALLS as f64,
        bytes: allocated.bytes_total as f64 / CALLS as f64,
    }
}

/// Returns the bytes that a subject holds after it was made and called: the subject, its service
/// and its breaker.
#[must_use]
pub(crate) fn live(make: &dyn Fn() -> Box<dyn Subject>) -> i64 {
    let made_and_called = || {
        let mut subject = make();
        subject.run(CALLS);
        subject
    };
    // These hold what is allocated once for all subjects, and what earlier subjects returned to a
    // pool.
    let _takers: Vec<_> = (0..TAKERS).map(|_| made_and_called()).collect();
    let mut kept = None;
    let allocated = measure(|| kept = Some(made_and_called()));
    allocated.bytes_current
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contestant::Contestant,
        path::Path,
        primary::{Answer, Failed},
        row::Row,
    };

    fn row(contestant: Contestant) -> Row {
        let path = Path::Closed;
        Row { contestant, path }
    }

    #[test]
    fn box_is_one_allocation_of_its_size() {
        assert_eq!(
            per_call(row(Contestant::Bare).subject().as_mut()),
            Allocated { times: 0.0, bytes: 0.0 }
        );
        let mut boxed = row(Contestant::Boxed).subject();
        let bytes = size_of::<std::future::Ready<Result<Answer, Failed>>>() as f64;
        assert_eq!(per_call(boxed.as_mut()), Allocated { times: 1.0, bytes });
    }

    #[test]
    fn what_is_kept_is_live_and_what_is_dropped_is_not() {
        let bare = live(&|| row(Contestant::Bare).subject());
        let boxed = live(&|| row(Contestant::Boxed).subject());
        assert_eq!(bare, boxed);
        assert!((1..200).contains(&bare), "{bare}");
    }
}
