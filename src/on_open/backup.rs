//! [`Backup`]: a refused call goes to another service, on a clone of it.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower::Service;

use crate::{
    error::CircuitOpen,
    on_open::{OnOpen, sealed::Sealed},
};

/// A choice by which refused calls go to another service: see
/// [`CircuitBreakerLayerBuilder::backup`](crate::layer::CircuitBreakerLayerBuilder::backup).
#[derive(Clone)]
pub struct Backup<T> {
    pub(crate) service: T,
}

impl<T> Sealed for Backup<T> {}

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

impl<Req, T> OnOpen<Req, T::Response, T::Error> for Backup<T>
where
    T: Service<Req> + Clone,
{
    type Future = BackupFuture<T, Req, T::Future>;
    type Retained = Infallible;

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
    /// A call to the backup, as [`ResponseFuture`](crate::future::ResponseFuture) holds it.
    ///
    /// It waits until the backup `T` is ready, then calls it and waits for `F`, the call's future.
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
