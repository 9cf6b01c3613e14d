//! A discrete-event simulation: one run of one contestant through one scenario.
//!
//! Events are handled in order of time. All randomness comes from the seed, and each request has
//! streams of its own, so that all contestants meet the same requests.

mod driver;
mod gates;

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use slotmap::{SlotMap, new_key_type};
use tower_breaker::clock::Timestamp;

pub(crate) use self::driver::Driver;
use self::gates::Gates;
use crate::{
    contestant::{Call, CallId, Contestant, End, Route},
    measure::{Measures, Slot, Timeline},
    random::Random,
    scenario::Scenario,
    world::{AT_ONCE, AttemptId, BackupState, Job, Luck, PoolState, Reply, World},
};

/// How a scenario is run.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    pub seed: u64,
    /// Refused requests end in an error, without a backup.
    pub reject: bool,
    /// Attempts time out at the objective, whatever the scenario's timeout.
    pub timeout_at_objective: bool,
    /// Keeps a timeline of this many slots.
    pub timeline: Option<usize>,
}

/// Runs the scenario. `contestant` makes the breaker of each instance.
pub fn run(
    scenario: &Scenario,
    conditions: Conditions,
    contestant: &dyn Fn(u32) -> Box<dyn Contestant>,
) -> (Measures, Timeline) {
    let contestants = (0..scenario.arrivals.instances).map(contestant).collect();
    Sim::new(scenario, conditions, Driver::Contestants(contestants)).run()
}

/// Runs the scenario with the reference. It knows the fault, the key, the warmth and the queue. It
/// sends the primary a call if the chance of a good answer is at least the worth of the backup's.
pub fn run_reference(scenario: &Scenario, conditions: Conditions) -> (Measures, Timeline) {
    Sim::new(scenario, conditions, Driver::Reference).run()
}

new_key_type! {
    struct RequestId;
}

struct Request {
    index: u64,
    arrived: Timestamp,
    instance: u32,
    key: u32,
    attempts: u32,
    attempt: Option<AttemptId>,
    /// The caller, in a closed loop.
    caller: Option<u32>,
}

struct Attempt {
    request: RequestId,
    call_id: CallId,
    to_primary: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A fault begins or ends.
    FaultChanges,
    Arrival,
    CallerCalls(u32),
    Retry(RequestId),
    AttemptEnds(AttemptId, bool),
    WorkerDone(u32, AttemptId, bool),
    CallerGivesUp(RequestId),
}

struct Sim<'s> {
    scenario: &'s Scenario,
    conditions: Conditions,
    end: Timestamp,
    attempt_limit: Duration,
    worth: f64,
    world: World<'s>,
    pool: Option<PoolState>,
    backup: BackupState,
    driver: Driver,
    now: Timestamp,
    queue: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    sequence: u64,
    arrivals: Random,
    requests: SlotMap<RequestId, Request>,
    attempts: SlotMap<AttemptId, Attempt>,
    next_index: u64,
    measures: Measures,
    gates: Gates,
    timeline: Timeline,
}

impl<'s> Sim<'s> {
    fn new(scenario: &'s Scenario, conditions: Conditions, driver: Driver) -> Self {
        let world = World::new(scenario, conditions.seed);
        let client = &scenario.client;
        let attempt_limit = if conditions.timeout_at_objective {
            client.timeout.0.min(client.objective.0)
        } else {
            client.timeout.0
        };
        let slots = conditions.timeline.unwrap_or(0);
        Self {
            scenario,
            conditions,
            end: Timestamp::START + scenario.duration.0,
            attempt_limit,
            worth: if conditions.reject { 0.0 } else { scenario.backup.worth },
            pool: scenario.pool.as_ref().map(PoolState::new),
            backup: BackupState::new(&scenario.backup),
            driver,
            now: Timestamp::START,
            queue: BinaryHeap::new(),
            sequence: 0,
            arrivals: Random::new(conditions.seed, u64::MAX / 2),
            requests: SlotMap::with_key(),
            attempts: SlotMap::with_key(),
            next_index: 0,
            measures: Measures::default(),
            gates: Gates::new(&world, scenario, slots > 0),
            timeline: Timeline {
                slots: vec![Slot::default(); slots],
                slot: scenario.duration.0 / (slots.max(1) as u32),
                gates: Vec::new(),
            },
            world,
        }
    }

    fn run(mut self) -> (Measures, Timeline) {
        let changes: Vec<_> = self
            .world
            .plan
            .outages
            .iter()
            .flat_map(|outage| [outage.from, outage.until])
            .collect();
        for change in changes {
            self.at(change, Event::FaultChanges);
        }
        match self.scenario.arrivals.callers {
            Some(callers) => (0..callers).for_each(|caller| self.at(Timestamp::START, Event::CallerCalls(caller))),
            None => self.next_arrival(),
        }
        while let Some(Reverse((now, _, event))) = self.queue.pop() {
            self.now = now;
            self.world.advance(now);
            self.handle(event);
        }
        self.measures.crashes = self.pool.as_ref().map_or(0, |pool| pool.crashes);
        self.gates
            .finish(&mut self.measures, &mut self.timeline, self.pool.as_ref(), &self.world);
        (self.measures, self.timeline)
    }

    fn at(&mut self, at: Timestamp, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((at, self.sequence, event)));
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.at(self.now + delay, event);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::FaultChanges => self.fault_changes(),
            Event::Arrival => {
                self.arrive(None);
                self.next_arrival();
            }
            Event::CallerCalls(caller) => self.arrive(Some(caller)),
            Event::Retry(request) => self.call(request),
            Event::AttemptEnds(attempt, succeeded) => self.attempt_ends(attempt, succeeded),
            Event::WorkerDone(life, attempt, fails) => self.worker_done(life, attempt, fails),
            Event::CallerGivesUp(request) => self.give_up(request),
        }
    }

    fn next_arrival(&mut self) {
        let Some(rate) = self.scenario.arrivals.rate else {
            return;
        };
        let rate = rate * self.world.effect(0, self.now).demand;
        let gap = self.arrivals.exponential(Duration::from_secs_f64(1.0 / rate));
        if self.now + gap < self.end {
            self.after(gap, Event::Arrival);
        }
    }

    fn arrive(&mut self, caller: Option<u32>) {
        if self.now >= self.end {
            return;
        }
        let index = self.next_index;
        self.next_index += 1;
        let arrivals = &self.scenario.arrivals;
        // Each request has one stream for each attempt, and one for itself.
        let mut random = Random::new(self.conditions.seed, index * 128 + 127);
        let request = Request {
            index,
            arrived: self.now,
            instance: random.below(arrivals.instances),
            key: random.below(arrivals.keys),
            attempts: 0,
            attempt: None,
            caller,
        };
        let gives_up = self.scenario.client.drops.and_then(|drops| {
            let after = drops.after.draw(&mut random);
            (random.unit() < drops.share).then_some(after)
        });
        let id = self.requests.insert(request);
        if let Some(after) = gives_up {
            self.after(after, Event::CallerGivesUp(id));
        }
        self.measures.requests += 1;
        self.note(|slot| slot.demand += 1);
        self.call(id);
    }

    fn call(&mut self, id: RequestId) {
        let Some(request) = self.requests.get_mut(id) else {
            return; // The caller gave up before the retry.
        };
        let (instance, key, index, number) = (request.instance, request.key, request.index, request.attempts);
        request.attempts += 1;
        let good = self.good_enough(key);
        let route = self.driver.ask(instance, Call { key }, good, self.now);
        self.measure_gate(instance);
        self.gates.attempt(matches!(route, Route::Primary(_)), self.now);
        let (call_id, to_primary) = match route {
            Route::Primary(call_id) => (call_id, true),
            Route::Refused(call_id) => (call_id, false),
        };
        let attempt = self.attempts.insert(Attempt {
            request: id,
            call_id,
            to_primary,
        });
        self.requests[id].attempt = Some(attempt);
        if to_primary {
            self.measures.to_primary += 1;
            self.measures.wasted += u64::from(!good);
            self.note(|slot| slot.to_primary += 1);
            let luck = Luck::draw(self.scenario, self.conditions.seed, index, number);
            self.start(attempt, luck, key);
        } else {
            self.measures.refused += 1;
            self.note(|slot| slot.refused += 1);
            if self.conditions.reject {
                self.attempt_ends(attempt, false);
            } else {
                let (after, succeeded) = match self.backup.take(self.now) {
                    Ok(after) => (after, true),
                    Err(after) => (after, false),
                };
                self.after(after, Event::AttemptEnds(attempt, succeeded));
            }
        }
    }

    /// Returns whether the reference would send this call to the primary.
    fn good_enough(&self, key: u32) -> bool {
        let world = &self.world;
        let (wait, cold, down) = match &self.pool {
            Some(pool) => (
                pool.wait(world, key, self.now),
                pool.cold(),
                pool.is_down(world, self.now),
            ),
            None => (Duration::ZERO, 1.0, false),
        };
        let worth = if self.backup.after(self.now) <= self.scenario.client.objective.0 {
            self.worth
        } else {
            0.0
        };
        // A call that a pool can't answer in time also keeps others from an answer.
        let least = if self.pool.is_some() { worth.max(0.5) } else { worth };
        !down && world.chance_of_good(key, wait, cold, self.now) >= least
    }

    fn start(&mut self, attempt: AttemptId, luck: Luck, key: u32) {
        let limit = self.attempt_limit;
        let Some(pool) = &mut self.pool else {
            let (after, succeeded) = match self.world.reply(luck, key, self.now) {
                Reply::Answers(after) if after <= limit => (after, true),
                Reply::Fails(after) if after <= limit => (after, false),
                Reply::Hangs | Reply::Answers(_) | Reply::Fails(_) => (limit, false),
            };
            self.after(after, Event::AttemptEnds(attempt, succeeded));
            return;
        };
        let job = Job {
            attempt,
            key,
            luck,
            since: self.now,
        };
        let taken = pool.submit(job, &self.world, self.now);
        let after = if taken { limit } else { AT_ONCE };
        self.after(after, Event::AttemptEnds(attempt, false));
        self.run_pool();
    }

    /// Gives jobs to the pool's idle workers.
    fn run_pool(&mut self) {
        let Some(pool) = &mut self.pool else {
            return;
        };
        if pool.is_overrun(self.now) {
            pool.crash(self.now);
            self.fall();
            return;
        }
        let mut begun = Vec::new();
        while let Some(started) = pool.start(&self.world, self.now) {
            begun.push(started);
        }
        for started in begun {
            let done = Event::WorkerDone(started.life, started.job.attempt, started.fails);
            self.after(started.takes, done);
        }
    }

    fn worker_done(&mut self, life: u32, attempt: AttemptId, fails: bool) {
        let Some(pool) = self.pool.as_mut().filter(|pool| pool.life == life) else {
            return;
        };
        pool.finish(attempt);
        self.attempt_ends(attempt, !fails);
        self.run_pool();
    }

    /// Fails everything that is in the pool.
    fn fall(&mut self) {
        let lost = self.pool.as_mut().map(PoolState::fall).unwrap_or_default();
        for job in lost {
            self.attempt_ends(job.attempt, false);
        }
    }

    fn fault_changes(&mut self) {
        if self.world.is_down() && self.world.plan.outages.iter().any(|outage| outage.from == self.now) {
            self.fall();
        }
    }

    fn attempt_ends(&mut self, id: AttemptId, succeeded: bool) {
        let Some(attempt) = self.attempts.remove(id) else {
            return; // It timed out or its caller gave up before.
        };
        let end = if succeeded { End::Success } else { End::Failure };
        self.report(&attempt, end);
        let request = &self.requests[attempt.request];
        let client = &self.scenario.client;
        if !succeeded && request.attempts <= client.retries {
            let mut random = Random::new(
                self.conditions.seed,
                request.index * 128 + 64 + u64::from(request.attempts),
            );
            let wait = client.retry_after.draw(&mut random) * 2_u32.saturating_pow(request.attempts - 1);
            self.after(wait, Event::Retry(attempt.request));
            return;
        }
        let latency = self.now.since(request.arrived);
        let in_time = latency <= client.objective.0;
        match (succeeded, attempt.to_primary) {
            (true, true) if in_time => {
                self.measures.good += 1;
                self.measures.utility += 1.0;
            }
            (true, false) if in_time => {
                self.measures.by_backup += 1;
                self.measures.utility += self.worth;
            }
            (true, _) => self.measures.slow += 1,
            (false, _) => self.measures.errors += 1,
        }
        let lost = !succeeded || !in_time;
        self.note(|slot| slot.lost += u32::from(lost));
        self.measures.answered_after(latency);
        self.request_ends(attempt.request);
    }

    fn give_up(&mut self, id: RequestId) {
        let Some(request) = self.requests.get(id) else {
            return;
        };
        if let Some(attempt) = request.attempt.and_then(|attempt| self.attempts.remove(attempt)) {
            self.report(&attempt, End::Dropped);
        }
        self.measures.dropped += 1;
        self.note(|slot| slot.lost += 1);
        self.request_ends(id);
    }

    fn request_ends(&mut self, id: RequestId) {
        if let Some(caller) = self.requests.remove(id).and_then(|request| request.caller) {
            self.after(self.scenario.arrivals.pause.0, Event::CallerCalls(caller));
        }
    }

    fn report(&mut self, attempt: &Attempt, end: End) {
        let instance = self.requests[attempt.request].instance;
        self.driver
            .ended(instance, attempt.call_id, attempt.to_primary, end, self.now);
        self.measure_gate(instance);
    }

    /// Measures whether the instance's gate has changed.
    fn measure_gate(&mut self, instance: u32) {
        let Some(gate) = self.driver.gate(instance, self.now) else {
            return;
        };
        // A pool may still be busy with the effects of a fault: cold, down, or with a queue too
        // long to join.
        let is_cold = self.pool.as_ref().is_some_and(|pool| pool.cold() > 1.0);
        let healthy = !self.world.is_disturbed() && !is_cold && self.good_enough(0);
        self.gates
            .measure(instance, gate, healthy, self.now, &mut self.measures);
    }

    fn note(&mut self, note: impl FnOnce(&mut Slot)) {
        if !self.timeline.slots.is_empty() {
            let slot = (self.now.as_nanos() / self.timeline.slot.as_nanos() as u64) as usize;
            // An event after the end has no slot.
            if let Some(slot) = self.timeline.slots.get_mut(slot) {
                note(slot);
            }
        }
    }
}
