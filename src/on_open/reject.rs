//! [`Reject`]: a refused call ends in an error. The only choice that asks something of the error
//! type.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    error::CircuitOpen,
    on_open::{OnOpen, sealed::Sealed},
};

/// A choice by which refused calls end in a [`CircuitOpen`] error. The default.
///
/// The service's error must be `From<CircuitOpen>`. `BoxError` is; where the primary's error is
/// another, convert it *below* the layer:
///
/// ```
/// use tower::{BoxError, ServiceBuilder, service_fn};
/// use tower_breaker::CircuitBreakerLayer;
///
/// let client = service_fn(|request: u32| async move { Ok::<_, std::io::Error>(request) });
/// let service = ServiceBuilder::new()
///     .layer(CircuitBreakerLayer::new("client"))
///     .map_err(BoxError::from)
///     .service(client);
/// # fn is_service(_: impl tower::Service<u32>) {}
/// # is_service(service);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reject;

impl Sealed for Reject {}

// Makes the compiler report the message of the trait, not a bound of this impl.
#[diagnostic::do_not_recommend]
impl<Req, Res, Err> OnOpen<Req, Res, Err> for Reject
where
    Err: From<CircuitOpen>,
{
    type Future = RejectFuture;
    type Retained = Infallible;

    #[inline(always)]
    fn refuse(&self, _: Req, open: impl FnOnce() -> CircuitOpen) -> RejectFuture {
        RejectFuture { open: Some(open()) }
    }

    #[inline]
    fn poll(mut future: Pin<&mut RejectFuture>, _: &mut Context<'_>) -> Poll<Result<Res, Err>> {
        let open = future.open.as_mut().map(CircuitOpen::take);
        future.open = None;
        Poll::Ready(Err(open.expect("polled after it was ready").into()))
    }
}

/// A rejected call, as [`ResponseFuture`](crate::future::ResponseFuture) holds it.
///
/// It doesn't name the error, so that it is `Send` in every coroutine.
#[derive(Debug)]
pub struct RejectFuture {
    open: Option<CircuitOpen>,
}
