//! Other crates' breakers, set up as their documentation shows.

pub(crate) mod failsafe;
pub(crate) mod recloser;
pub(crate) mod seatbelt;
pub(crate) mod tower_resilience;

use std::time::Duration;

use tower::Service;

use crate::{
    primary::Request,
    subject::{Driven, Subject},
};

/// Longer than any measurement.
const LONG: Duration = Duration::from_secs(86_400);

/// Makes this many calls that fail.
fn after_failures<S>(service: S, failures: u64) -> Driven<S>
where
    Driven<S>: Subject,
    S: Service<Request>,
{
    let mut driven = Driven::new(service);
    for _ in 0..failures {
        let _ = driven.call(Request::Fail);
    }
    driven
}
