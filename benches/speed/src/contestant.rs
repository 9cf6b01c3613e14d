//! The contestants: this project's layer, other crates' breakers, and the floors beneath all of
//! them.

use clap::{ValueEnum, builder::PossibleValue};

use crate::{
    floors, ours,
    path::Path,
    peers::{failsafe, recloser, seatbelt, tower_resilience},
    primary::Primary,
    subject::Subject,
};

/// A contestant whose cost is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    Ours,
    TowerResilience,
    Seatbelt,
    Failsafe,
    FailsafeConsecutive,
    Recloser,
    Bare,
    Boxed,
    Instant,
    Quanta,
}

impl Contestant {
    pub const ALL: &[Self] = &[
        Self::Ours,
        Self::TowerResilience,
        Self::Seatbelt,
        Self::Failsafe,
        Self::FailsafeConsecutive,
        Self::Recloser,
        Self::Bare,
        Self::Boxed,
        Self::Instant,
        Self::Quanta,
    ];

    /// Returns the name on the command line and in the tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "tower-breaker",
            Self::TowerResilience => "tower-resilience",
            Self::Seatbelt => "seatbelt",
            Self::Failsafe => "failsafe",
            Self::FailsafeConsecutive => "failsafe-consecutive",
            Self::Recloser => "recloser",
            Self::Bare => "bare",
            Self::Boxed => "boxed",
            Self::Instant => "instant-pair",
            Self::Quanta => "quanta-pair",
        }
    }

    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Ours => "this project's layer, default policy",
            Self::TowerResilience => "tower-resilience-circuitbreaker 0.14, a Tower layer, defaults",
            Self::Seatbelt => "seatbelt 0.11, a Tower layer, defaults",
            Self::Failsafe => "failsafe 1.3 around a future, defaults",
            Self::FailsafeConsecutive => "failsafe 1.3, consecutive failures only: it knows no time",
            Self::Recloser => "recloser 1.4 around a future, defaults: it knows no time",
            Self::Bare => "a floor: no breaker",
            Self::Boxed => "a floor: no breaker, and the future in a box",
            Self::Instant => "a floor: two `Instant`s, and their difference added up",
            Self::Quanta => "a floor: the same with the crate quanta",
        }
    }

    #[must_use]
    pub const fn is_floor(self) -> bool {
        matches!(self, Self::Bare | Self::Boxed | Self::Instant | Self::Quanta)
    }

    /// Builds this contestant around `primary`, in the state of `path`. Returns `None` if the
    /// contestant has no such path.
    #[must_use]
    pub fn subject<P: Primary>(self, path: Path, primary: P) -> Option<Box<dyn Subject>> {
        match self {
            Self::Ours => Some(ours::subject(path, primary)),
            Self::TowerResilience => tower_resilience::subject(path, primary),
            Self::Seatbelt => seatbelt::subject(path, primary),
            Self::Failsafe => failsafe::subject(path, primary),
            Self::FailsafeConsecutive => failsafe::consecutive_only(path, primary),
            Self::Recloser => recloser::subject(path, primary),
            Self::Bare => floors::bare(path, primary),
            Self::Boxed => floors::boxed(path, primary),
            Self::Instant => floors::instant(path, primary),
            Self::Quanta => floors::quanta(path, primary),
        }
    }
}

impl ValueEnum for Contestant {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.about()))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Ready,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        task::{Context, Poll},
    };

    use tower::Service;

    use super::*;
    use crate::primary::{Answer, Failed, Request, Steady};

    /// A primary that counts its calls.
    #[derive(Clone, Debug, Default)]
    struct Counting(Arc<AtomicU64>);

    impl Service<Request> for Counting {
        type Response = Answer;
        type Error = Failed;
        type Future = Ready<Result<Answer, Failed>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request) -> Self::Future {
            self.0.fetch_add(1, Ordering::Relaxed);
            Steady.call(request)
        }
    }

    const CALLS: u64 = 20_000;

    /// Returns what a caller sees on this path, and whether the primary is called.
    fn expected(contestant: Contestant, path: Path) -> (Result<Answer, Failed>, bool) {
        match path {
            _ if contestant.is_floor() => (Ok(Answer::Primary), true),
            Path::Rejecting => (Err(Failed::Rejected), false),
            Path::Backup => (Ok(Answer::Backup), false),
            Path::Closed
            | Path::SlowAfter
            | Path::Learned
            | Path::Errors
            | Path::HalfOpen
            | Path::FastClock
            | Path::Keyed => (Ok(Answer::Primary), true),
        }
    }

    #[test]
    fn each_is_in_the_state_that_its_row_says_and_stays_there() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _in_runtime = runtime.enter();
        for &contestant in Contestant::ALL {
            for &path in Path::ALL {
                let primary = Counting::default();
                let Some(mut subject) = contestant.subject(path, primary.clone()) else {
                    continue;
                };
                let row = format!("{} {}", path.name(), contestant.name());
                let (answer, calls_primary) = expected(contestant, path);
                let before = primary.0.load(Ordering::Relaxed);
                assert_eq!(subject.call(Request::Succeed), answer, "{row}");
                subject.run(CALLS);
                let mut shared = subject.sharing();
                shared.run(CALLS);
                assert_eq!(subject.call(Request::Succeed), answer, "{row}, later");
                assert_eq!(shared.call(Request::Succeed), answer, "{row}, shared");
                let called = primary.0.load(Ordering::Relaxed) - before;
                assert_eq!(called, if calls_primary { 2 * CALLS + 3 } else { 0 }, "{row}");
            }
        }
    }

    #[test]
    fn what_shares_a_breaker_is_refused_by_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _in_runtime = runtime.enter();
        for &contestant in Contestant::ALL.iter().filter(|contestant| !contestant.is_floor()) {
            let mut subject = contestant.subject(Path::Closed, Steady).unwrap();
            let mut shared = subject.sharing();
            subject.run(1000);
            // `Evidence` has to last, and a rate over time evaluates whole seconds.
            let refused = (0..2_000_000).any(|n| {
                if n % 1000 == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                subject.call(Request::Fail) == Err(Failed::Rejected)
            });
            assert!(refused, "{}", contestant.name());
            assert_eq!(
                shared.call(Request::Succeed),
                Err(Failed::Rejected),
                "{}",
                contestant.name()
            );
        }
    }

    #[test]
    fn one_call_in_ten_fails_on_the_path_of_errors() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _in_runtime = runtime.enter();
        let failing = |path| {
            let mut subject = Contestant::Bare.subject(path, OneInTenFails::default()).unwrap();
            subject.run(CALLS);
        };
        failing(Path::Errors);
        assert!(
            std::panic::catch_unwind(|| failing(Path::Closed)).is_err(),
            "no call of this path fails"
        );
    }

    /// A primary that panics unless exactly the first of every ten calls is to fail.
    #[derive(Clone, Debug, Default)]
    struct OneInTenFails(u64);

    impl Service<Request> for OneInTenFails {
        type Response = Answer;
        type Error = Failed;
        type Future = Ready<Result<Answer, Failed>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request) -> Self::Future {
            let fails = self.0.is_multiple_of(10);
            assert_eq!(request == Request::Fail, fails, "call {}", self.0);
            self.0 += 1;
            Steady.call(request)
        }
    }
}
