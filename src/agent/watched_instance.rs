//! An instance under watch: the task that checks it, and what the task shares with the agent.
//!
//! The task waits, checks, records the check, and trips the breaker if too many fail in a row.
//! While the breaker is open, the task takes its trial. Dropping the [`WatchedInstance`] ends the
//! task and gives the trials back to the callers.

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
    builder::AgentConfig,
    check::{Check, CheckFailure},
    check_log::CheckLog,
    instance::Instance,
    run_check::run_check,
    schedule::Schedule,
};
use crate::{
    breaker::{Breaker, Permit},
    lock::lock,
    machine::{Outcome, TripReason},
};

/// An instance under watch. Its task ends when this is dropped.
pub(super) struct WatchedInstance {
    breaker: Breaker,
    log: Arc<Mutex<CheckLog>>,
    task: AbortHandle,
    _trials: TrialReservation,
}

impl WatchedInstance {
    pub(super) fn start<C>(runtime: &Handle, config: &Arc<AgentConfig>, breaker: Breaker, check: C) -> Self
    where
        C: Service<()> + Clone + Send + 'static,
        C::Error: fmt::Display,
        C::Future: Send,
    {
        let trials = TrialReservation::new(config.gate_recovery.then(|| breaker.clone()));
        let log = Arc::default();
        let check_loop = CheckLoop {
            config: config.clone(),
            schedule: Schedule::new(config, breaker.name()),
            breaker: breaker.clone(),
            log: Arc::clone(&log),
        };
        Self {
            breaker,
            log,
            task: runtime.spawn(check_loop.run(check)).abort_handle(),
            _trials: trials,
        }
    }

    pub(super) fn instance(&self) -> Instance {
        let log = lock(&self.log);
        Instance::new(self.breaker.name().into(), self.breaker.state(), &log)
    }
}

impl Drop for WatchedInstance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A reservation of a breaker's trials for the agent, for as long as this exists. `None` reserves
/// nothing.
struct TrialReservation(Option<Breaker>);

impl TrialReservation {
    fn new(breaker: Option<Breaker>) -> Self {
        if let Some(breaker) = &breaker {
            breaker.reserve_trials(true);
        }
        Self(breaker)
    }
}

impl Drop for TrialReservation {
    fn drop(&mut self) {
        if let Some(breaker) = &self.0 {
            breaker.reserve_trials(false);
        }
    }
}

/// A task that checks one instance.
struct CheckLoop {
    config: Arc<AgentConfig>,
    schedule: Schedule,
    breaker: Breaker,
    log: Arc<Mutex<CheckLog>>,
}

impl CheckLoop {
    async fn run<C>(mut self, service: C)
    where
        C: Service<()> + Clone,
        C::Error: fmt::Display,
    {
        sleep(self.schedule.first()).await;
        loop {
            let at = self.breaker.now();
            let begun = Instant::now();
            // If the task is aborted, the permit counts as a cancelled call and frees its place.
            let trial = self.breaker.acquire_for_trial();
            let was_trial = trial.is_some();
            let result = run_check(service.clone(), self.config.timeout).await;
            let took = begun.elapsed();
            if let Some(permit) = trial {
                record_trial(permit, &result);
            }
            self.conclude(Check {
                at,
                latency: took,
                failure: result.err(),
                was_trial,
            });
            sleep(self.schedule.next(took, self.trial_in())).await;
        }
    }

    /// Adds a check to the log of checks, logs it if it begins or ends a row of failures, and trips
    /// the breaker if the row is long enough.
    fn conclude(&self, check: Check) {
        let breaker = self.breaker.name();
        let failure = check.failure.clone();
        let (failed_before, failed) = {
            let mut log = lock(&self.log);
            let failed_before = log.failed_in_a_row;
            log.push(check);
            (failed_before, log.failed_in_a_row)
        };
        match failure {
            None if failed_before > 0 => {
                tracing::info!(breaker, "a health check passed, after {failed_before} that failed");
            }
            None => {}
            Some(failure) if failed_before == 0 => tracing::warn!(breaker, "a health check failed: {failure}"),
            Some(_) => {}
        }
        if let Some(threshold) = self.config.trip_after.map(u64::from) {
            if failed >= threshold {
                // A breaker that is open already ignores this.
                self.breaker.trip(TripReason::Checks { failed, threshold });
            }
        }
    }

    /// Returns how long until the breaker may have a trial to make, or `None` if none is due.
    fn trial_in(&self) -> Option<Duration> {
        let snapshot = self.breaker.snapshot();
        snapshot.retry_after.filter(|_| snapshot.share == 0)
    }
}

fn record_trial(permit: Permit, result: &Result<(), CheckFailure>) {
    permit.record(match result {
        Ok(()) => Outcome::Success,
        Err(_) => Outcome::Failure,
    });
}
