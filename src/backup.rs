//! What happens to a call that the primary may not have.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower::Service;

use crate::error::CircuitOpen;

/// What happens to a call that the primary may not have. Sealed: [`Reject`], [`Backup`], [`FailOver`](crate::FailOver),
/// [`Respond`](crate::Respond) and [`Wait`].
pub trait OnOpen<Req, Res, Err>: Sealed {
    // Not `: Future<Output = …>`: a bound that names two boxed errors makes coroutines lose `Send`.
    #[doc(hidden)]
    type Future;

    /// What is kept of a request, so that it can be sent once more.
    #[doc(hidden)]
    type Kept;

    /// Whether somebody else answers, so that the primary's readiness errors are nobody's.
    #[doc(hidden)]
    const DIVERTS: bool = false;

    /// Whether that is a service, whose calls are counted.
    #[doc(hidden)]
    const HAS_BACKUP: bool = false;

    #[doc(hidden)]
    const WAITS: bool = false;

    #[doc(hidden)]
    fn refuse(&self, request: Req, open: impl FnOnce() -> CircuitOpen) -> Self::Future;

    #[doc(hidden)]
    fn poll(future: Pin<&mut Self::Future>, cx: &mut Context<'_>) -> Poll<Result<Res, Err>>;

    #[doc(hidden)]
    fn keep(&self, request: Req) -> (Req, Option<Self::Kept>) {
        (request, None)
    }

    /// A call to the primary failed: sends what was kept elsewhere, where it may be.
    #[doc(hidden)]
    fn fail_over(kept: Self::Kept, failure: Result<&Res, &Err>) -> Option<Self::Future> {
        let _ = (kept, failure);
        None
    }
}

pub(crate) mod sealed {
    /// Keeps the choice to what this crate offers.
    pub trait Sealed {}
}

use sealed::Sealed;

impl Sealed for Reject {}
impl<T> Sealed for Backup<T> {}
impl Sealed for Wait {}

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

/// Refused calls go to another service: see [`Builder::backup`](crate::Builder::backup).
#[derive(Clone)]
pub struct Backup<T> {
    pub(crate) service: T,
}

/// Refused calls wait: `poll_ready` is pending until the primary may have the call.
///
/// For use inside a balancer, which picks another endpoint then. What `poll_ready` granted, `call` honours; while half-open that
/// promise is kept for a limited time ([`Recovery::probe_timeout`](crate::Recovery::probe_timeout)).
///
/// It needs tokio's timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait;

impl<T> Backup<T> {
    pub(crate) fn new(service: T) -> Self {
        Self { service }
    }
}

impl<T> fmt::Debug for Backup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup")
            .field("service", &std::any::type_name::<T>())
            .finish()
    }
}

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

impl<Req, T> OnOpen<Req, T::Response, T::Error> for Backup<T>
where
    T: Service<Req> + Clone,
{
    type Future = BackupFuture<T, Req, T::Future>;
    type Kept = Infallible;

    const DIVERTS: bool = true;
    const HAS_BACKUP: bool = true;

    #[inline]
    fn refuse(&self, request: Req, _: impl FnOnce() -> CircuitOpen) -> Self::Future {
        BackupFuture::new(self.service.clone(), request)
    }

    fn poll(future: Pin<&mut Self::Future>, cx: &mut Context<'_>) -> Poll<Result<T::Response, T::Error>> {
        future.poll_call(cx)
    }
}

pin_project! {
    /// The future of a call to the backup: waits for its readiness, then for its answer.
    pub struct BackupFuture<T, Req, F> {
        #[pin]
        state: BackupState<T, Req, F>,
    }
}

pin_project! {
    #[project = BackupStateProj]
    enum BackupState<T, Req, F> {
        Waiting { service: T, request: Option<Req> },
        Called { #[pin] future: F },
    }
}

impl<T, Req, F> BackupFuture<T, Req, F> {
    pub(crate) fn new(service: T, request: Req) -> Self {
        Self {
            state: BackupState::Waiting {
                service,
                request: Some(request),
            },
        }
    }

    pub(crate) fn poll_call(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T::Response, T::Error>>
    where
        T: Service<Req, Future = F>,
        F: Future<Output = Result<T::Response, T::Error>>,
    {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                BackupStateProj::Waiting { service, request } => {
                    ready!(service.poll_ready(cx))?;
                    let request = request.take().expect("a request is sent once");
                    let future = service.call(request);
                    state.set(BackupState::Called { future });
                }
                BackupStateProj::Called { future } => return future.poll(cx),
            }
        }
    }
}

impl<T, Req, F> fmt::Debug for BackupFuture<T, Req, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupFuture").finish_non_exhaustive()
    }
}

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
