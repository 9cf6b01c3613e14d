use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use tower::Service;

/// A service that answers at once, if it is ever ready.
#[derive(Clone)]
pub(crate) enum Answering {
    Always,
    Never,
}

impl Service<()> for Answering {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match self {
            Self::Always => Poll::Ready(Ok(())),
            Self::Never => Poll::Pending,
        }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}
