//! [`Wait`]: the service isn't ready while the primary must not have calls. All of it happens in
//! `layer::service`, before the call: no call is refused.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    error::CircuitOpen,
    on_open::{OnOpen, sealed::Sealed},
};

/// A choice by which calls wait: `poll_ready` is pending until the primary may have the call.
///
/// It is for use inside a balancer, which then picks another endpoint. A call that `poll_ready`
/// granted is never refused. While half-open, the grant is a reservation that expires after
/// [`Recovery::probe_timeout`](crate::recovery::Recovery::probe_timeout).
///
/// `Wait` needs a tokio runtime with timers enabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait;

impl Sealed for Wait {}

// Keeps the compiler from listing this one, which is for balancers only, among the remedies.
#[diagnostic::do_not_recommend]
impl<Req, Res, Err> OnOpen<Req, Res, Err> for Wait {
    type Future = Infallible;
    type Retained = Infallible;

    const WAITS: bool = true;

    fn refuse(&self, _: Req, _: impl FnOnce() -> CircuitOpen) -> Infallible {
        unreachable!("`Wait` takes a permit that can't be refused")
    }

    fn poll(future: Pin<&mut Infallible>, _: &mut Context<'_>) -> Poll<Result<Res, Err>> {
        match *future {}
    }
}
