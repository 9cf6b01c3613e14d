use std::{collections::VecDeque, time::Duration};

use slotmap::new_key_type;
use tower_breaker::clock::Timestamp;

use super::{Luck, World, seconds};
use crate::scenario::Pool;

/// The workers of a primary of limited capacity, and the queue before them.
#[derive(Debug)]
pub(crate) struct PoolState {
    pool: Pool,
    idle: u32,
    queue: VecDeque<Job>,
    running: Vec<Job>,
    /// How warm the caches are: 0 to 1.
    warmth: f64,
    /// After a crash: until when it is down.
    down_until: Timestamp,
    /// Grows with each fall: work that was begun before is gone.
    pub(crate) life: u32,
    pub(crate) crashes: u64,
}

new_key_type! {
    /// One attempt of a request.
    pub(crate) struct AttemptId;
}

/// A request in the pool, whether anybody still waits for it or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) attempt: AttemptId,
    pub(crate) key: u32,
    pub(crate) luck: Luck,
    pub(crate) since: Timestamp,
}

/// A worker has begun with a job.
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

    /// Takes a job in; `false` where it is refused at once.
    pub(crate) fn submit(&mut self, job: Job, world: &World<'_>, now: Timestamp) -> bool {
        let full = self.queue.len() >= self.pool.queue as usize && self.idle == 0;
        if self.is_down(world, now) || full {
            return false;
        }
        self.queue.push_back(job);
        true
    }

    /// A worker begins with the next job, if both are there.
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

    /// A worker is done with a job.
    pub(crate) fn finish(&mut self, attempt: AttemptId) {
        self.idle += 1;
        self.running.retain(|job| job.attempt != attempt);
        if let Some(warm_up) = self.pool.warm_up {
            self.warmth = (self.warmth + 1.0 / f64::from(warm_up.answers)).min(1.0);
        }
    }

    /// Whether a request has waited for longer than the pool can bear.
    pub(crate) fn is_overrun(&self, now: Timestamp) -> bool {
        let waits_since = self.queue.front().map(|job| job.since);
        match (self.pool.crash, waits_since) {
            (Some(crash), Some(since)) => now.since(since) > crash.after_wait.0,
            _ => false,
        }
    }

    /// It crashes: until when it is down.
    pub(crate) fn crash(&mut self, now: Timestamp) {
        self.crashes += 1;
        if let Some(crash) = self.pool.crash {
            self.down_until = now + crash.down.0;
        }
    }

    /// All work is lost, and the caches are cold: what was in the pool.
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

    /// How many times as long an answer takes while the caches are cold.
    pub(crate) fn cold(&self) -> f64 {
        self.pool
            .warm_up
            .map_or(1.0, |warm_up| 1.0 + warm_up.slower * (1.0 - self.warmth))
    }

    /// About how long a request that comes now would wait for a worker.
    pub(crate) fn wait(&self, world: &World<'_>, key: u32, now: Timestamp) -> Duration {
        if self.idle > 0 && self.queue.is_empty() {
            return Duration::ZERO;
        }
        let ahead = self.queue.len() as f64 + 1.0;
        let slower = world.effect(key, now).slower * self.cold();
        seconds(ahead * mean_service(world) * slower / f64::from(self.pool.workers))
    }

    /// Healthy, warm answers a second.
    pub(crate) fn capacity(&self, world: &World<'_>) -> f64 {
        f64::from(self.pool.workers) / mean_service(world)
    }
}

/// The mean of a lognormal, in seconds.
fn mean_service(world: &World<'_>) -> f64 {
    let service = &world.scenario.service;
    service.median.0.as_secs_f64() * libm::exp(service.sigma * service.sigma / 2.0)
}
