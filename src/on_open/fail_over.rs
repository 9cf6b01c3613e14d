//! Failing over: a call that failed on the primary goes to the backup as well.
//!
//! [`RetainRequest`] retains each request for this, and a [`FailOverBudget`] limits how many calls
//! the backup gets in addition. `layer::future` asks for both, at the call's start and at its
//! failure.

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
    on_open::{
        OnOpen,
        backup::{Backup, BackupFuture},
        sealed::Sealed,
    },
};

/// A [`Backup`] that also gets the request of each call that failed on the primary: see
/// [`CircuitBreakerLayerBuilder::fail_over`](crate::layer::CircuitBreakerLayerBuilder::fail_over).
#[derive(Clone)]
pub struct FailOver<T, R> {
    backup: Backup<T>,
    retain: R,
    budget: Arc<Budget>,
}

/// A way to retain a request, so that it can be sent to the backup after it failed on the primary.
///
/// [`CloneRequests`] serves requests that are `Clone`. With feature `http`, `RetainRequests` of
/// `protocol::http` serves those with a body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not retain requests of the type `{Req}`",
    note = "`.fail_over(CloneRequests, …)` needs a request that is `Clone`; for HTTP requests there is \
            `tower_breaker::protocol::http::RetainRequests`"
)]
pub trait RetainRequest<Req, Res, Err>: Clone {
    /// What is retained of a request while its call is in flight.
    type Retained;

    /// Returns the request for the primary, and what is retained of it: `None` if the request must
    /// not be sent twice.
    fn retain(&self, request: Req) -> (Req, Option<Self::Retained>);

    /// Returns the request again, or `None` if it can't or must not be sent again after this
    /// failure.
    fn restore(retained: Self::Retained, failure: Result<&Res, &Err>) -> Option<Req>;
}

/// A [`RetainRequest`] that clones each request. It is only for requests that may be sent twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneRequests;

// Makes the compiler report the message of the trait, not a bound of this impl.
#[diagnostic::do_not_recommend]
impl<Req: Clone, Res, Err> RetainRequest<Req, Res, Err> for CloneRequests {
    type Retained = Req;

    fn retain(&self, request: Req) -> (Req, Option<Req>) {
        (request.clone(), Some(request))
    }

    fn restore(retained: Req, _: Result<&Res, &Err>) -> Option<Req> {
        Some(retained)
    }
}

/// A limit on what failing over adds to the backup's load: a percentage of the calls to the
/// primary, and a number of calls at once. Default: 10 %, and 10 at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailOverBudget {
    percent: u8,
    at_once: u16,
}

impl FailOverBudget {
    /// Lets this many failed calls for each hundred calls to the primary go to the backup: 1 to
    /// 100.
    #[must_use]
    pub const fn percent(percent: u8) -> Self {
        Self { percent, at_once: 10 }
    }

    /// Lets this many calls fail over at once after a time without failures: at least 1. Default:
    /// 10.
    #[must_use]
    pub const fn at_once(self, calls: u16) -> Self {
        Self { at_once: calls, ..self }
    }

    pub(crate) fn check(self) -> Result<(), ConfigError> {
        if !(1..=100).contains(&self.percent) {
            return Err(ConfigError::out_of_range("fail_over.percent", self.percent, "1 to 100"));
        }
        if self.at_once == 0 {
            return Err(ConfigError::out_of_range("fail_over.at_once", 0, "1 or more"));
        }
        Ok(())
    }
}

impl Default for FailOverBudget {
    /// Returns a budget of 10 %, and 10 calls at once.
    fn default() -> Self {
        Self::percent(10)
    }
}

/// A token bucket in hundredths of a call: each call to the primary puts `percent` in, and each
/// call that fails over takes 100 out.
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
    pub(crate) fn new(backup: Backup<T>, retain: R, budget: FailOverBudget) -> Self {
        Self {
            backup,
            retain,
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
    type Retained = RetainedCall<T, R::Retained>;

    const DIVERTS: bool = true;
    const HAS_BACKUP: bool = true;

    fn refuse(&self, request: Req, open: impl FnOnce() -> CircuitOpen) -> Self::Future {
        self.backup.refuse(request, open)
    }

    fn poll(future: Pin<&mut Self::Future>, cx: &mut Context<'_>) -> Poll<Result<T::Response, T::Error>> {
        future.poll_call(cx)
    }

    fn retain(&self, request: Req) -> (Req, Option<Self::Retained>) {
        self.budget.deposit();
        let (request, retained) = self.retain.retain(request);
        let retained = retained.map(|request| RetainedCall {
            service: self.backup.service.clone(),
            budget: self.budget.clone(),
            request,
        });
        (request, retained)
    }

    fn fail_over(retained: Self::Retained, failure: Result<&T::Response, &T::Error>) -> Option<Self::Future> {
        let RetainedCall {
            service,
            budget,
            request,
        } = retained;
        let request = R::restore(request, failure)?;
        budget.withdraw().then(|| BackupFuture::new(service, request))
    }
}

impl<T, R> fmt::Debug for FailOver<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailOver")
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// What a call of a [`FailOver`] retains while it is in flight: the backup `T`, and `R` of the
/// request.
pub struct RetainedCall<T, R> {
    service: T,
    budget: Arc<Budget>,
    request: R,
}

impl<T, R> fmt::Debug for RetainedCall<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetainedCall").finish_non_exhaustive()
    }
}
