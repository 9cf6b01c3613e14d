//! A live breaker in simulated time: a service with outages, hangs, brownouts and impatient callers
//! behind it, polled by hand.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower::{BoxError, Layer, Service};
use tower_breaker::{
    Breaker, CircuitBreaker, CircuitBreakerLayer, Config, Event, Outcome, Permit, observe::Transition, replay::Recorder,
};

use crate::{
    common::clock::ManualClock,
    support::{Memory, Random},
};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const S: u64 = 1_000 * MS;

/// How a live breaker is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub(crate) seed: u64,
    /// Rounds the clock down to this: coarse clocks make ties.
    pub(crate) tick: u64,
    /// Nanoseconds between calls.
    pub(crate) gap: u64,
    /// Uses permits without Tower.
    pub(crate) permits: bool,
}

/// What a live breaker has left behind.
pub(crate) struct Life {
    pub(crate) changes: Vec<(u64, Transition)>,
    pub(crate) csv: String,
    pub(crate) json: String,
}

/// What the primary does with the next call: nothing but a note of when it ends and how.
#[derive(Clone, Debug, Default)]
struct Primary {
    readiness: Arc<Mutex<Readiness>>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Readiness {
    #[default]
    Ready,
    Pending,
    Fails,
}

#[derive(Clone, Debug, Default)]
struct Answer(Arc<Mutex<Option<bool>>>);

impl Future for Answer {
    type Output = Result<bool, BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match *self.0.lock().unwrap() {
            Some(true) => Poll::Ready(Ok(true)),
            Some(false) => Poll::Ready(Err("failed".into())),
            None => Poll::Pending,
        }
    }
}

impl Service<Answer> for Primary {
    type Response = bool;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match *self.readiness.lock().unwrap() {
            Readiness::Ready => Poll::Ready(Ok(())),
            Readiness::Pending => Poll::Pending,
            Readiness::Fails => Poll::Ready(Err("not ready".into())),
        }
    }

    fn call(&mut self, answer: Answer) -> Answer {
        answer
    }
}

type Protected = CircuitBreaker<Primary>;

enum Live {
    Permit(Permit),
    Call(Pin<Box<<Protected as Service<Answer>>::Future>>, Answer),
}

#[derive(Clone, Copy, Debug)]
enum Ends {
    Good,
    Bad,
    Ignored,
    Cancelled,
    /// Its answer is in, and it goes on.
    Answered(u64, bool),
}

struct Simulation {
    how: Use,
    random: Random,
    clock: ManualClock,
    breaker: Breaker,
    service: Protected,
    readiness: Arc<Mutex<Readiness>>,
    /// By the time of what is next, and a number.
    calls: BTreeMap<(u64, u64), (Live, Ends)>,
    number: u64,
}

pub(crate) fn live(config: Config, how: Use, length: u64) -> Life {
    let clock = ManualClock::default();
    let (csv, json) = (Memory::default(), Memory::default());
    let changes = Arc::new(Mutex::new(Vec::new()));
    let seen = changes.clone();
    let layer = CircuitBreakerLayer::builder()
        .config(config)
        .clock(clock.clone())
        .seed(how.seed)
        .observer(Recorder::csv(csv.clone()))
        .observer(Recorder::json_lines(json.clone()))
        .on_event(move |event: &Event| {
            seen.lock()
                .unwrap()
                .push((event.at.as_nanos(), event.transition.clone()));
        })
        .build()
        .unwrap();
    let primary = Primary::default();
    let readiness = primary.readiness.clone();
    let simulation = Simulation {
        how,
        random: Random(how.seed),
        clock,
        breaker: layer.breaker().clone(),
        service: layer.layer(primary),
        readiness,
        calls: BTreeMap::new(),
        number: 0,
    };
    drop(layer);
    simulation.run(length);
    let changes = changes.lock().unwrap().clone();
    Life {
        changes,
        csv: csv.text(),
        json: json.text(),
    }
}

impl Simulation {
    fn run(mut self, length: u64) {
        let mut now = 0;
        while now < length {
            now += self.random.around(self.how.gap);
            self.end_until(now);
            self.set(now);
            match self.random.below(20) {
                // An evaluation with no call.
                0 => drop(self.service.poll_ready(&mut Context::from_waker(Waker::noop()))),
                1 => *self.readiness.lock().unwrap() = self.draw_readiness(),
                _ => self.call(now),
            }
        }
        self.end_until(length + 5 * S);
        self.set(length + 6 * S);
        // Those that hang are given up.
    }

    fn draw_readiness(&mut self) -> Readiness {
        match self.random.below(100) {
            0..25 => Readiness::Pending,
            25..35 => Readiness::Fails,
            _ => Readiness::Ready,
        }
    }

    fn set(&self, nanos: u64) {
        self.clock
            .set(Duration::from_nanos(nanos / self.how.tick * self.how.tick));
    }

    fn end_until(&mut self, now: u64) {
        while let Some(entry) = self.calls.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let ((at, number), (live, ends)) = entry.remove_entry();
            self.set(at);
            self.end(at, number, live, ends);
        }
    }

    fn end(&mut self, at: u64, number: u64, live: Live, ends: Ends) {
        match (live, ends) {
            (Live::Permit(permit), Ends::Good) => permit.record(Outcome::Success),
            (Live::Permit(permit), Ends::Bad) => permit.record(Outcome::Failure),
            (Live::Permit(permit), Ends::Ignored) => permit.record(Outcome::Ignored),
            (Live::Permit(mut permit), Ends::Answered(more, good)) => {
                permit.answered();
                let ends = if good { Ends::Good } else { Ends::Bad };
                self.calls.insert((at + more, number), (Live::Permit(permit), ends));
            }
            (live, Ends::Cancelled) => drop(live),
            (Live::Call(mut call, answer), ends) => {
                *answer.0.lock().unwrap() = Some(!matches!(ends, Ends::Bad));
                let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                if polled.is_pending() {
                    // It waits for the primary to be ready: it asks again now and then, until it is
                    // given up.
                    let ends = if self.random.percent(20) { Ends::Cancelled } else { ends };
                    let later = at + 1 + self.random.below(300 * MS);
                    self.calls.insert((later, number), (Live::Call(call, answer), ends));
                }
            }
        }
    }

    fn call(&mut self, now: u64) {
        let live = if self.how.permits {
            let Ok(permit) = self.breaker.try_acquire() else {
                return;
            };
            Live::Permit(permit)
        } else {
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(Ok(())) = self.service.poll_ready(&mut cx) else {
                return;
            };
            // What comes between may change everything.
            let between = self.random.below(3) * self.random.below(2_000);
            self.set(now + between);
            let answer = Answer::default();
            let mut call = Box::pin(self.service.call(answer.clone()));
            if call.as_mut().poll(&mut cx).is_ready() {
                return; // It was refused.
            }
            Live::Call(call, answer)
        };
        let (ends, takes) = self.plan(now);
        self.number += 1;
        self.calls.insert((now + takes, self.number), (live, ends));
    }

    /// Healthy, then out, hanging, slow and half broken by turns, 3 s each.
    fn plan(&mut self, now: u64) -> (Ends, u64) {
        let takes = 5 * MS + self.random.around(30 * MS);
        let ends = match self.random.below(100) {
            0..5 => Ends::Ignored,
            5..10 => Ends::Cancelled,
            10..15 => Ends::Answered(self.random.around(400 * MS), true),
            15 => Ends::Answered(self.random.around(400 * MS), false),
            16 => Ends::Bad,
            _ => Ends::Good,
        };
        match now / (3 * S) % 10 {
            1 | 2 => (Ends::Bad, self.random.below(5 * MS)),
            4 => (Ends::Cancelled, self.random.below(8 * S)),
            6 => (ends, takes * 12),
            8 if self.random.percent(60) => (Ends::Bad, takes),
            _ => (ends, takes),
        }
    }
}
