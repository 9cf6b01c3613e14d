use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use super::{OnOpen, sealed::Sealed};
use crate::error::CircuitOpen;

/// Refused calls wait: `poll_ready` is pending until the primary may have the call.
///
/// For use inside a balancer, which picks another endpoint then. What `poll_ready` granted, `call` honours; while half-open that
/// promise is kept for a limited time ([`Recovery::probe_timeout`](crate::recovery::Recovery::probe_timeout)).
///
/// It needs tokio's timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait;

impl Sealed for Wait {}

impl<Req, Res, Err> OnOpen<Req, Res, Err> for Wait {
    type Future = Infallible;
    type Kept = Infallible;

    const WAITS: bool = true;

    fn refuse(&self, _: Req, _: impl FnOnce() -> CircuitOpen) -> Infallible {
        unreachable!("`Wait` takes a permit that can't be refused")
    }

    fn poll(future: Pin<&mut Infallible>, _: &mut Context<'_>) -> Poll<Result<Res, Err>> {
        match *future {}
    }
}
