use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use super::{OnOpen, sealed::Sealed};
use crate::error::CircuitOpen;

/// Refused calls end in a [`CircuitOpen`] error. The default.
///
/// The service's error has to be one that a [`CircuitOpen`] can be turned into. `BoxError` is; put it *below* the layer where the
/// primary's error is another:
///
/// ```
/// use tower::{BoxError, ServiceBuilder, service_fn};
/// use tower_breaker::CircuitBreakerLayer;
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let client = service_fn(|request: u32| async move { Ok::<_, std::io::Error>(request) });
/// let service = ServiceBuilder::new()
///     .layer(CircuitBreakerLayer::builder().name("client").build()?)
///     .map_err(BoxError::from)
///     .service(client);
/// # fn is_service(_: impl tower::Service<u32>) {}
/// # is_service(service);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reject;

impl Sealed for Reject {}

impl<Req, Res, Err> OnOpen<Req, Res, Err> for Reject
where
    Err: From<CircuitOpen>,
{
    type Future = RejectFuture;
    type Kept = Infallible;

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

/// The future of a rejected call. It doesn't name the error, which keeps it `Send` in every coroutine.
#[derive(Debug)]
pub struct RejectFuture {
    open: Option<CircuitOpen>,
}
