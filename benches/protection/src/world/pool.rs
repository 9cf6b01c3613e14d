//! The simulated pool: a primary of limited capacity.

use std::{collections::VecDeque, time::Duration};

use slotmap::new_key_type;
use tower_breaker::clock::Timestamp;

use super::{Luck, World, seconds};
use crate::scenario::Pool;

/// The workers of a primary of limited capacity, and their queue.
#[derive(Debug)]
pub(crate) struct PoolState {
    pool: Pool,
    idle: u32,
    queue: VecDeque<Job>,
    running: Vec<Job>,
    /// How warm the caches are, from 0 to 1.
    warmth: f64,
    /// The end of the downtime after a crash.
    down_until: Timestamp,
    /// Increases whenever the pool goes down. Work from an earlier life is lost.
    pub(crate) life: u32,
    pub(crate) crashes: u64,
}

new_key_type! {
    /// One attempt of a request.
    pub(crate) struct AttemptId;
}

/// A request in the pool. Its caller may have given up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) attempt: AttemptId,
    pub(crate) key: u32,
    pub(crate) luck: Luck,
    pub(crate) since: Timestamp,
}

/// A job that a worker has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) job: Job,
    pub(crate) life: u32,
    pub(crate) takes: Duration,
    pub(crate) fails: bool,
}

impl PoolState {
    pub(crate) fn new(pool: &Pool) -> Self {
        Self {
            idle: pool.workers,
            queue: VecDeque::new(),
            running: Vec::new(),
            warmth: 1.0,
            down_until: Timestamp::START,
            life: 0,
            crashes: 0,
            pool: pool.clone(),
        }
    }

    pub(crate) fn is_down(&self, world: &World<'_>, now: Timestamp) -> bool {
        now < self.down_until || world.is_down()
    }

    /// Queues a job. Returns `false` if the pool refuses it at once.
    pub(crate) fn submit(&mut self, job: Job, world: &World<'_>, now: Timestamp) -> bool {
        let full = self.queue.len() >= self.pool.queue as usize && self.idle == 0;
        if self.is_down(world, now) || full {
            return false;
        }
        self.queue.push_back(job);
        true
    }

    /// Starts the next job, if there are a job and an idle worker.
    pub(crate) fn start(&mut self, world: &World<'_>, now: Timestamp) -> Option<Started> {
        if self.idle == 0 {
            return None;
        }
        let job = self.queue.pop_front()?;
        self.idle -= 1;
        self.running.push(job);
        let (takes, fails) = world.work(job.luck, job.key, self.cold(), now);
        Some(Started {
            job,
            life: self.life,
            takes,
            fails,
        })
    }

    /// Frees the worker of a job.
    pub(crate) fn finish(&mut self, attempt: AttemptId) {
        self.idle += 1;
        self.running.retain(|job| job.attempt != attempt);
        if let Some(warm_up) = self.pool.warm_up {
            self.warmth = (self.warmth + 1.0 / f64::from(warm_up.answers)).min(1.0);
        }
    }

    /// Returns whether a request has waited longer than the pool can bear.
    pub(crate) fn is_overrun(&self, now: Timestamp) -> bool {
        let waits_since = self.queue.front().map(|job| job.since);
        match (self.pool.crash, waits_since) {
            (Some(crash), Some(since)) => now.since(since) > crash.after_wait.0,
            _ => false,
        }
    }

    /// Takes the pool down for the time after a crash.
    pub(crate) fn crash(&mut self, now: Timestamp) {
        self.crashes += 1;
        if let Some(crash) = self.pool.crash {
            self.down_until = now + crash.down.0;
        }
    }

    /// Discards all work and cools the caches. Returns the jobs that were in the pool.
    pub(crate) fn fall(&mut self) -> Vec<Job> {
        self.life += 1;
        self.idle = self.pool.workers;
        if self.pool.warm_up.is_some() {
            self.warmth = 0.0;
        }
        let mut lost = std::mem::take(&mut self.running);
        lost.extend(self.queue.drain(..));
        lost
    }

    /// Returns how many times as long an answer takes while the caches are cold.
    pub(crate) fn cold(&self) -> f64 {
        self.pool
            .warm_up
            .map_or(1.0, |warm_up| 1.0 + warm_up.slower * (1.0 - self.warmth))
    }

    /// Estimates how long a request that arrives now would wait for a worker.
    pub(crate) fn wait(&self, world: &World<'_>, key: u32, now: Timestamp) -> Duration {
        if self.idle > 0 && self.queue.is_empty() {
            return Duration::ZERO;
        }
        let ahead = self.queue.len() as f64 + 1.0;
        let slower = world.effect(key, now).slower * self.cold();
        seconds(ahead * mean_service(world) * slower / f64::from(self.pool.workers))
    }

    /// Returns healthy, warm answers per second.
    pub(crate) fn capacity(&self, world: &World<'_>) -> f64 {
        f64::from(self.pool.workers) / mean_service(world)
    }
}

/// Returns the mean of the lognormal service time, in seconds.
fn mean_service(world: &World<'_>) -> f64 {
    let service = &world.scenario.service;
    service.median.0.as_secs_f64() * libm::exp(service.sigma * service.sigma / 2.0)
}
