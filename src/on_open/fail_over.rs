use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tower::Service;

use crate::{
    error::CircuitOpen,
    lock::lock,
    machine::ConfigError,
    on_open::{Backup, BackupFuture, OnOpen, sealed::Sealed},
};

/// As [`Backup`](crate::on_open::Backup); and when a call failed on the primary, the same request goes to the backup: see
/// [`CircuitBreakerLayerBuilder::fail_over`](crate::layer::CircuitBreakerLayerBuilder::fail_over).
#[derive(Clone)]
pub struct FailOver<T, R> {
    backup: Backup<T>,
    replay: R,
    budget: Arc<Budget>,
}

/// How a request is kept, so that it can be sent once more when the primary fails.
///
/// [`CloneRequests`] serves requests that are `Clone`; with feature `http`, `http::RetainRequests` serves those with a body.
pub trait RetainRequest<Req, Res, Err>: Clone {
    /// What is kept of a request.
    type Kept;

    /// The request for the primary, and what is kept of it; `None` where it must not be sent twice.
    fn keep(&self, request: Req) -> (Req, Option<Self::Kept>);

    /// The request once more; `None` where, after this failure, it can't or mustn't be.
    fn replay(kept: Self::Kept, failure: Result<&Res, &Err>) -> Option<Req>;
}

/// Keeps a clone of each request. Only for requests that may be sent twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneRequests;

impl<Req: Clone, Res, Err> RetainRequest<Req, Res, Err> for CloneRequests {
    type Kept = Req;

    fn keep(&self, request: Req) -> (Req, Option<Req>) {
        (request.clone(), Some(request))
    }

    fn replay(kept: Req, _: Result<&Res, &Err>) -> Option<Req> {
        Some(kept)
    }
}

/// How much failing over may add to the backup's load: a percentage of the calls to the primary, and a few at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailOverBudget {
    percent: u8,
    at_once: u16,
}

impl FailOverBudget {
    /// So many failed calls out of a hundred may go to the backup; 1 to 100.
    #[must_use]
    pub const fn percent(percent: u8) -> Self {
        Self { percent, at_once: 10 }
    }

    /// How many may go there at once, after a time without failures. At least 1. Default: 10.
    #[must_use]
    pub const fn at_once(self, calls: u16) -> Self {
        Self { at_once: calls, ..self }
    }

    pub(crate) fn check(self) -> Result<(), ConfigError> {
        if !(1..=100).contains(&self.percent) {
            return Err(ConfigError::new("fail_over.percent", self.percent, "1 to 100"));
        }
        if self.at_once == 0 {
            return Err(ConfigError::new("fail_over.at_once", 0, "1 or more"));
        }
        Ok(())
    }
}

impl Default for FailOverBudget {
    /// 10 %.
    fn default() -> Self {
        Self::percent(10)
    }
}

/// A bucket of hundredths: each call to the primary puts `percent` in, each failing over takes 100 out.
#[derive(Debug)]
struct Budget {
    settings: FailOverBudget,
    hundredths: Mutex<u32>,
}

impl Budget {
    fn new(settings: FailOverBudget) -> Self {
        Self {
            settings,
            hundredths: Mutex::new(u32::from(settings.at_once) * 100),
        }
    }

    fn deposit(&self) {
        let mut hundredths = lock(&self.hundredths);
        let most = u32::from(self.settings.at_once) * 100;
        *hundredths = most.min(*hundredths + u32::from(self.settings.percent));
    }

    fn withdraw(&self) -> bool {
        let mut hundredths = lock(&self.hundredths);
        let enough = *hundredths >= 100;
        if enough {
            *hundredths -= 100;
        }
        enough
    }
}

impl<T, R> FailOver<T, R> {
    pub(crate) fn new(backup: Backup<T>, replay: R, budget: FailOverBudget) -> Self {
        Self {
            backup,
            replay,
            budget: Arc::new(Budget::new(budget)),
        }
    }
}

impl<T, R> Sealed for FailOver<T, R> {}

impl<Req, T, R> OnOpen<Req, T::Response, T::Error> for FailOver<T, R>
where
    T: Service<Req> + Clone,
    R: RetainRequest<Req, T::Response, T::Error>,
{
    type Future = BackupFuture<T, Req, T::Future>;
    type Kept = Kept<T, R::Kept>;

    const DIVERTS: bool = true;
    const HAS_BACKUP: bool = true;

    fn refuse(&self, request: Req, open: impl FnOnce() -> CircuitOpen) -> Self::Future {
        self.backup.refuse(request, open)
    }

    fn poll(future: Pin<&mut Self::Future>, cx: &mut Context<'_>) -> Poll<Result<T::Response, T::Error>> {
        future.poll_call(cx)
    }

    fn keep(&self, request: Req) -> (Req, Option<Self::Kept>) {
        self.budget.deposit();
        let (request, kept) = self.replay.keep(request);
        let kept = kept.map(|request| Kept {
            service: self.backup.service.clone(),
            budget: self.budget.clone(),
            request,
        });
        (request, kept)
    }

    fn fail_over(kept: Self::Kept, failure: Result<&T::Response, &T::Error>) -> Option<Self::Future> {
        let request = R::replay(kept.request, failure)?;
        kept.budget.withdraw().then(|| BackupFuture::new(kept.service, request))
    }
}

impl<T, R> fmt::Debug for FailOver<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailOver")
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// What a call needs to go to the backup after it failed.
pub struct Kept<T, K> {
    service: T,
    budget: Arc<Budget>,
    request: K,
}

impl<T, K> fmt::Debug for Kept<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}
