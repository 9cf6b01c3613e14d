//! The crate seatbelt, as its Tower layer.

use std::{sync::OnceLock, time::Duration};

use seatbelt::{
    RecoveryInfo, ResilienceContext,
    breaker::{Breaker, BreakerConfig},
};
use tick::Clock;
use tower::Layer;

use super::{LONG, after_failures};
use crate::{
    path::Path,
    primary::{Answer, Failed, Primary, Request},
    subject::{Driven, Subject},
};

/// By default, it evaluates the rate after this many calls.
const CALLS: u64 = 100;

/// What it does with a call that it refuses.
type Refused = fn() -> Result<Answer, Failed>;

const REJECT: Refused = || Err(Failed::Rejected);

/// Its half-open state lets a thousandth of the calls through at first, so there are no probes to
/// time.
pub(crate) fn subject<P: Primary>(path: Path, primary: P) -> Option<Box<dyn Subject>> {
    let mut config = BreakerConfig::default();
    Some(match path {
        Path::Closed => Box::new(Driven::new(around(&config, REJECT, primary))),
        Path::Errors => {
            config.failure_threshold = 0.5;
            Box::new(Driven::new(around(&config, REJECT, primary)).first_of_ten(Request::Fail))
        }
        Path::Rejecting => {
            config.break_duration = LONG;
            Box::new(after_failures(around(&config, REJECT, primary), CALLS))
        }
        Path::Backup => {
            config.break_duration = LONG;
            Box::new(after_failures(around(&config, || Ok(Answer::Backup), primary), CALLS))
        }
        Path::SlowAfter | Path::Learned | Path::HalfOpen | Path::FastClock | Path::Keyed => return None,
    })
}

/// Builds a closed breaker with a window this long.
pub(crate) fn with_window<P: Primary>(time: Duration, primary: P) -> Box<dyn Subject> {
    let mut config = BreakerConfig::default();
    config.sampling_duration = time;
    Box::new(Driven::new(around(&config, REJECT, primary)))
}

/// Returns one clock for all breakers, as in a program. It runs a task of its own.
fn clock() -> Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    CLOCK.get_or_init(Clock::new_tokio).clone()
}

fn around<P: Primary>(
    config: &BreakerConfig,
    refused: Refused,
    primary: P,
) -> Breaker<Request, Result<Answer, Failed>, P> {
    let context = ResilienceContext::new(clock());
    Breaker::layer("peer", &context)
        .config(config)
        .recovery_with(|result, _| match result {
            Ok(_) => RecoveryInfo::never(),
            Err(_) => RecoveryInfo::retry(),
        })
        .rejected_input(move |_, _| refused())
        .layer(primary)
}
