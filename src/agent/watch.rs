use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Instant, sleep},
};
use tower::Service;

use super::{
    builder::Plan,
    check::check,
    history::{Check, CheckFailure, History},
    instance::Instance,
    schedule::Schedule,
};
use crate::{
    breaker::{Breaker, Permit},
    lock::lock,
    machine::{Outcome, TripReason},
};

/// An instance that is watched, by a task that ends with this.
pub(super) struct Watch {
    breaker: Breaker,
    history: Arc<Mutex<History>>,
    task: AbortHandle,
    _trials: KeptTrials,
}

/// Trials of a breaker that are the agent's, as long as this lives.
struct KeptTrials(Option<Breaker>);

impl Watch {
    pub(super) fn start<C>(runtime: &Handle, plan: &Arc<Plan>, breaker: Breaker, check: C) -> Self
    where
        C: Service<()> + Clone + Send + 'static,
        C::Error: fmt::Display,
        C::Future: Send,
    {
        let trials = KeptTrials::of(plan.gate_recovery.then(|| breaker.clone()));
        let history = Arc::default();
        let watcher = Watcher {
            plan: plan.clone(),
            schedule: Schedule::new(plan, breaker.name()),
            breaker: breaker.clone(),
            history: Arc::clone(&history),
        };
        Self {
            breaker,
            history,
            task: runtime.spawn(watcher.run(check)).abort_handle(),
            _trials: trials,
        }
    }

    pub(super) fn instance(&self) -> Instance {
        let history = lock(&self.history);
        Instance::new(self.breaker.name().into(), self.breaker.state(), &history)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KeptTrials {
    fn of(breaker: Option<Breaker>) -> Self {
        if let Some(breaker) = &breaker {
            breaker.reserve_trials(true);
        }
        Self(breaker)
    }
}

impl Drop for KeptTrials {
    fn drop(&mut self) {
        if let Some(breaker) = &self.0 {
            breaker.reserve_trials(false);
        }
    }
}

/// What the task has.
struct Watcher {
    plan: Arc<Plan>,
    schedule: Schedule,
    breaker: Breaker,
    history: Arc<Mutex<History>>,
}

impl Watcher {
    async fn run<C>(mut self, service: C)
    where
        C: Service<()> + Clone,
        C::Error: fmt::Display,
    {
        sleep(self.schedule.first()).await;
        loop {
            let at = self.breaker.now();
            let begun = Instant::now();
            // Dropped with the task, it is a cancelled call, and gives its place in the trial back.
            let trial = self.breaker.acquire_for_trial();
            let was_trial = trial.is_some();
            let result = check(service.clone(), self.plan.timeout).await;
            let took = begun.elapsed();
            self.conclude(trial, &result);
            self.note(Check {
                at,
                latency: took,
                failure: result.err(),
                was_trial,
            });
            sleep(self.schedule.next(took, self.trial_in())).await;
        }
    }

    fn conclude(&self, trial: Option<Permit>, result: &Result<(), CheckFailure>) {
        if let Some(permit) = trial {
            permit.record(match result {
                Ok(()) => Outcome::Success,
                Err(_) => Outcome::Failure,
            });
        }
    }

    fn note(&self, check: Check) {
        let breaker = self.breaker.name();
        let failure = check.failure.clone();
        let (before, failed) = {
            let mut history = lock(&self.history);
            let before = history.failed_in_a_row;
            history.note(check);
            (before, history.failed_in_a_row)
        };
        match failure {
            None if before > 0 => tracing::info!(breaker, "a health check passed, after {before} that failed"),
            None => {}
            Some(failure) if before == 0 => tracing::warn!(breaker, "a health check failed: {failure}"),
            Some(_) => {}
        }
        if let Some(threshold) = self.plan.trip_after.map(u64::from) {
            if failed >= threshold {
                // Where it is open already, that changes nothing.
                self.breaker.trip(TripReason::Checks { failed, threshold });
            }
        }
    }

    /// In how long there is a trial to be made.
    fn trial_in(&self) -> Option<Duration> {
        let view = self.breaker.snapshot();
        view.retry_after.filter(|_| view.share == 0)
    }
}
