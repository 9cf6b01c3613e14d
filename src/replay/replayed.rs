use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    clock::TraceClock,
    order::{Step, StepEvent},
    report::{Change, Report, Trip},
    stretch::Stretch,
    trace::{Call, Trace},
    verdict::{Verdict, Verdicts},
};
use crate::{
    breaker::{Breaker, BreakerFactory, Permit},
    call_record::CallOutcome,
    config::Config,
    event::{Event, Events, Observer, Observers},
    machine::{ConfigError, Outcome, SlowAfter, State, Timestamp, Transition},
};

/// A breaker that is shown a trace.
pub(super) struct Replayed<'a> {
    trace: &'a Trace,
    key: Arc<str>,
    breaker: Breaker,
    clock: TraceClock,
    events: Events,
    in_flight: HashMap<u32, Permit>,
    phase: Phase,
    stretch: Stretch,
    objective: Option<Duration>,
}

/// What the breaker's events say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    /// Since the trip at this place in the report.
    Open(usize),
    HalfOpen(usize),
}

/// What a replayed breaker did with one call of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fate<'a> {
    /// The call.
    pub call: &'a Call,
    /// Whether it would have been diverted.
    pub diverted: bool,
    /// What the primary's answer was worth.
    pub verdict: Verdict,
}

impl<'a> Replayed<'a> {
    pub(super) fn new(
        trace: &'a Trace,
        key: Arc<str>,
        config: Config,
        seed: u64,
        report: &Report,
    ) -> Result<Self, ConfigError> {
        let clock = TraceClock::default();
        let observers: Vec<Box<dyn Observer>> = vec![Box::new(StepByStep)];
        let plan = BreakerFactory {
            clock: Arc::new(clock.clone()),
            observers: Arc::new(Observers::new(observers)),
            ..BreakerFactory::new(SlowAfter::Learned)
        };
        let breaker = plan.breaker(config, seed)?;
        Ok(Self {
            trace,
            key,
            events: breaker.subscribe(),
            breaker,
            clock,
            in_flight: HashMap::new(),
            phase: Phase::Closed,
            stretch: Stretch::new(report.worth),
            objective: report.objective,
        })
    }

    pub(super) fn take(&mut self, step: Step, report: &mut Report) -> Option<Fate<'a>> {
        self.clock.set(step.at);
        let admitted = match step.event {
            StepEvent::Look => {
                self.breaker.evaluate();
                None
            }
            StepEvent::Admit(index) => Some((index, self.admit(index))),
            StepEvent::Start(index) => {
                self.with_permit(index, Permit::start);
                None
            }
            StepEvent::Answer(index) => {
                self.with_permit(index, Permit::answered);
                None
            }
            StepEvent::End(index) => {
                self.end(index);
                None
            }
        };
        while let Some(event) = self.events.try_next() {
            self.follow(event, report);
        }
        admitted.map(|(index, admitted)| self.note(index, admitted, report))
    }

    fn call(&self, index: u32) -> &'a Call {
        &self.trace.calls[index as usize]
    }

    fn admit(&mut self, index: u32) -> bool {
        let call = self.call(index);
        let waits = call.outcome == CallOutcome::Unused
            || call.detours.as_ref().is_some_and(|detours| detours.waited.is_some());
        let acquired = if waits {
            self.breaker.acquire_waiting(false)
        } else {
            self.breaker.acquire(false)
        };
        let Ok(permit) = acquired else {
            return false;
        };
        if call.outcome == CallOutcome::Refused {
            permit.release();
        } else {
            self.in_flight.insert(index, permit);
        }
        true
    }

    fn with_permit(&mut self, index: u32, change: impl FnOnce(&mut Permit)) {
        if let Some(permit) = self.in_flight.get_mut(&index) {
            change(permit);
        }
    }

    fn end(&mut self, index: u32) {
        let Some(permit) = self.in_flight.remove(&index) else {
            return; // It was diverted.
        };
        match self.call(index).outcome {
            CallOutcome::Success => permit.record(Outcome::Success),
            CallOutcome::Failure => permit.record(Outcome::Failure),
            CallOutcome::Ignored => permit.record(Outcome::Ignored),
            CallOutcome::Cancelled => drop(permit),
            CallOutcome::Unused | CallOutcome::Refused => permit.release(),
        }
    }

    fn follow(&mut self, event: Event, report: &mut Report) {
        match (&event.transition, self.phase) {
            (
                Transition::Opened {
                    from: State::Closed,
                    reason,
                    ..
                },
                _,
            ) => {
                self.phase = Phase::Open(report.trips.len());
                report.trips.push(Trip {
                    key: self.key.clone(),
                    at: event.at,
                    reason: reason.clone(),
                    noticed_after: self.stretch.since().map(|since| event.at.since(since)),
                    at_first: Verdicts::default(),
                    excess: self.stretch.excess(),
                    trials: 0,
                    reopened: 0,
                    closed_at: None,
                    diverted: Verdicts::default(),
                    while_open: Verdicts::default(),
                });
            }
            (Transition::Opened { .. }, Phase::Open(trip) | Phase::HalfOpen(trip)) => {
                self.phase = Phase::Open(trip);
                report.trips[trip].reopened += 1;
            }
            (Transition::HalfOpened { .. }, Phase::Open(trip)) => {
                self.phase = Phase::HalfOpen(trip);
                report.trips[trip].trials += 1;
            }
            (Transition::Closed, Phase::Open(trip) | Phase::HalfOpen(trip)) => {
                self.phase = Phase::Closed;
                report.trips[trip].closed_at = Some(event.at);
                self.stretch.end();
            }
            _ => {}
        }
        report.changes.push(Change {
            at: event.at,
            key: self.key.clone(),
            transition: event.transition,
        });
    }

    fn note(&mut self, index: u32, admitted: bool, report: &mut Report) -> Fate<'a> {
        let call = self.call(index);
        let verdict = Verdict::on(call, self.objective, self.trace.patience);
        let fate = Fate {
            call,
            diverted: !admitted,
            verdict,
        };
        match (call.outcome, admitted) {
            (CallOutcome::Refused, true) => report.refused_before += 1,
            (CallOutcome::Refused, false) => report.refused_again += 1,
            (CallOutcome::Unused, _) => {}
            (_, true) => report.admitted.note(verdict),
            (_, false) => {
                report.diverted.note(verdict);
                if let Phase::Open(trip) | Phase::HalfOpen(trip) = self.phase {
                    report.trips[trip].diverted.note(verdict);
                }
                if let Phase::Open(trip) = self.phase {
                    report.trips[trip].while_open.note(verdict);
                    if report.trips[trip].trials == 0 {
                        report.trips[trip].at_first.note(verdict);
                    }
                }
            }
        }
        self.stretch.note(verdict, Timestamp::from_nanos(call.start));
        fate
    }
}

/// Has the breaker take each step at once, as the recorded one did: no call passes unseen where somebody wants to be told of it.
struct StepByStep;

impl Observer for StepByStep {
    fn on_event(&self, _: &Event) {}

    fn wants_calls(&self) -> bool {
        true
    }
}
