//! Other crates' breakers, as their documentation uses them.

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

/// With this many failures in a row.
fn fed<S>(service: S, failures: u64) -> Driven<S>
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
