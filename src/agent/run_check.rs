//! Runs one check: calls the user's service with a time limit, and catches its panics.

use std::{
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::time::timeout;
use tower::Service;

use super::check::CheckFailure;

/// Calls a check once.
///
/// The service is consumed: one that has failed, or hangs, may not work any more.
///
/// # Errors
///
/// Returns why the check failed.
pub(super) async fn run_check<C>(check: C, time_limit: Duration) -> Result<(), CheckFailure>
where
    C: Service<()>,
    C::Error: fmt::Display,
{
    match timeout(time_limit, catch_panic(call(check))).await {
        Ok(Some(answer)) => answer.map_err(|error| CheckFailure::error(&error)),
        Ok(None) => Err(CheckFailure::Panicked),
        Err(_) => Err(CheckFailure::TimedOut),
    }
}

async fn call<C: Service<()>>(mut check: C) -> Result<(), C::Error> {
    poll_fn(|cx| check.poll_ready(cx)).await?;
    check.call(()).await.map(drop)
}

/// Returns the output of a future, or `None` if it panics. It isn't polled again after a panic.
async fn catch_panic<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(None),
    })
    .await
}
