//! A service's own handle to the primary, and what is known of its readiness.
//!
//! Tower's services track readiness per clone: one that was polled may hold a place in a queue, or
//! a slot that it was ready for. A breaker that then sends the call elsewhere has to give that up,
//! or no other task gets it: it replaces the handle by a fresh clone. Both services,
//! `CircuitBreaker` and `KeyedCircuitBreaker`, do so here.

use std::{
    fmt,
    mem::replace,
    task::{Context, Poll},
};

use tower::Service;

/// A handle to the primary with the readiness that it was polled for.
pub(crate) struct PrimaryHandle<S> {
    service: S,
    readiness: Readiness,
}

/// What is known of a primary's readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Unknown,
    /// The handle was polled, and may hold a place in a queue.
    Pending,
    /// The handle is ready for one call, and may hold a slot for it.
    Ready,
    /// The readiness failed: the next call goes to the backup.
    Failed,
}

impl<S> PrimaryHandle<S> {
    pub(crate) fn new(service: S) -> Self {
        Self {
            service,
            readiness: Readiness::Unknown,
        }
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.service
    }

    pub(crate) fn get_mut(&mut self) -> &mut S {
        &mut self.service
    }

    #[cfg(feature = "keyed")]
    pub(crate) fn is_ready(&self) -> bool {
        self.readiness == Readiness::Ready
    }

    /// Polls the primary. An error leaves the handle unusable until it is
    /// [released](Self::release).
    #[inline]
    pub(crate) fn poll_ready<Req>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Req>,
    {
        let ready = self.service.poll_ready(cx);
        self.readiness = match ready {
            Poll::Ready(_) => Readiness::Ready,
            Poll::Pending => Readiness::Pending,
        };
        ready
    }

    /// Has the next call go to the backup, since the readiness failed.
    pub(crate) fn fail(&mut self) {
        self.readiness = Readiness::Failed;
    }

    /// Returns what is known of the readiness, and forgets it: a call uses it up.
    #[inline]
    pub(crate) fn take_readiness(&mut self) -> Readiness {
        replace(&mut self.readiness, Readiness::Unknown)
    }
}

impl<S: Clone> PrimaryHandle<S> {
    /// Gives up what the handle holds: a place in a queue, or a slot that it was ready for.
    #[inline]
    pub(crate) fn release(&mut self) {
        if matches!(self.readiness, Readiness::Pending | Readiness::Ready) {
            self.service = self.service.clone();
        }
        self.readiness = Readiness::Unknown;
    }

    /// Gives up what the handle holds after all, where no call used the readiness that was taken.
    #[inline]
    pub(crate) fn release_taken(&mut self, readiness: Readiness) {
        self.readiness = readiness;
        self.release();
    }

    /// Returns another handle, which has not been polled.
    pub(crate) fn fresh(&self) -> S {
        self.service.clone()
    }

    /// Returns the handle that was polled, with the place that it may have in a queue, and
    /// continues with a fresh one.
    #[cfg(feature = "keyed")]
    pub(crate) fn take_polled(&mut self) -> S {
        let fresh = self.fresh();
        replace(&mut self.service, fresh)
    }
}

/// Shows the readiness only.
impl<S> fmt::Debug for PrimaryHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.readiness.fmt(f)
    }
}
