//! A breaker that replays one key of a trace, or all of it.
//!
//! It is a real breaker over a clock that the trace sets. It takes the steps one by one, follows
//! the breaker's events, and writes what they mean into the report.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    clock::TraceClock,
    order::{Step, StepEvent},
    outage::OutageTracker,
};
use crate::{
    breaker::{Breaker, BreakerFactory, Permit},
    config::Config,
    machine::{ConfigError, Outcome, SlowAfter, State, Timestamp, Transition},
    observe::{Completion, Event, Events, Observer, Observers},
    replay::{
        judged_calls::{JudgedCalls, was_good},
        report::{Change, Report, Trip},
        trace::{Call, Trace},
    },
};

/// A breaker that takes the steps of a trace.
pub(crate) struct ReplayedBreaker<'a> {
    trace: &'a Trace,
    key: Arc<str>,
    breaker: Breaker,
    clock: TraceClock,
    events: Events,
    /// The permits of admitted calls, by the call's index in the trace.
    in_flight: HashMap<u32, Permit>,
    state: ReplayedState,
    outage: OutageTracker,
    objective: Option<Duration>,
}

/// A state of the breaker, by its events, with the index of the current trip in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReplayedState {
    Closed,
    Open(usize),
    HalfOpen(usize),
}

/// A call of a trace, and what the replayed breaker did with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayedCall<'a> {
    /// The call.
    pub call: &'a Call,
    /// Whether the breaker diverted it.
    pub diverted: bool,
    /// Whether the primary's answer was good, or `None` if the trace doesn't tell: see
    /// [`JudgedCalls`].
    pub was_good: Option<bool>,
}

impl<'a> ReplayedBreaker<'a> {
    /// Makes a breaker that replays into this report.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range or contradicts another.
    pub(crate) fn new(
        trace: &'a Trace,
        key: Arc<str>,
        config: Config,
        seed: u64,
        report: &Report,
    ) -> Result<Self, ConfigError> {
        let clock = TraceClock::default();
        let observers: Vec<Box<dyn Observer>> = vec![Box::new(ObserveEachCall)];
        let factory = BreakerFactory {
            clock: Arc::new(clock.clone()),
            observers: Arc::new(Observers::new(observers)),
            ..BreakerFactory::new(SlowAfter::Learned)
        };
        let breaker = factory.breaker(config, seed)?;
        Ok(Self {
            trace,
            key,
            events: breaker.subscribe(),
            breaker,
            clock,
            in_flight: HashMap::new(),
            state: ReplayedState::Closed,
            outage: OutageTracker::new(report.worth),
            objective: report.objective,
        })
    }

    /// Takes one step. Returns the call if the step is its arrival.
    pub(crate) fn take(&mut self, step: Step, report: &mut Report) -> Option<ReplayedCall<'a>> {
        self.clock.set(step.at);
        let admitted = match step.event {
            StepEvent::Evaluate => {
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
        admitted.map(|(index, admitted)| self.count(index, admitted, report))
    }

    fn call(&self, index: u32) -> &'a Call {
        &self.trace.calls[index as usize]
    }

    /// Returns whether the breaker admitted the call.
    fn admit(&mut self, index: u32) -> bool {
        let call = self.call(index);
        let waits = call.completion == Completion::Unused || call.waited().is_some();
        let acquired = if waits {
            self.breaker.acquire_waiting(false)
        } else {
            self.breaker.acquire(false)
        };
        let Ok(permit) = acquired else {
            return false;
        };
        if call.completion == Completion::Refused {
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
            return; // The breaker had diverted it.
        };
        match self.call(index).completion {
            Completion::Finished(Outcome::Success) => permit.record(Outcome::Success),
            Completion::Finished(Outcome::Failure) => permit.record(Outcome::Failure),
            Completion::Finished(Outcome::Ignored) => permit.record(Outcome::Ignored),
            Completion::Cancelled => drop(permit),
            Completion::Unused | Completion::Refused => permit.release(),
        }
    }

    /// Writes an event of the breaker into the report.
    fn follow(&mut self, event: Event, report: &mut Report) {
        match (&event.transition, self.state) {
            (
                Transition::Opened {
                    from: State::Closed,
                    reason,
                    ..
                },
                _,
            ) => {
                self.state = ReplayedState::Open(report.trips.len());
                report.trips.push(Trip {
                    key: self.key.clone(),
                    at: event.at,
                    reason: reason.clone(),
                    noticed_after: self.outage.since().map(|since| event.at.since(since)),
                    before_first_trial: JudgedCalls::default(),
                    excess: self.outage.excess(),
                    trials: 0,
                    reopened: 0,
                    closed_at: None,
                    diverted: JudgedCalls::default(),
                    while_open: JudgedCalls::default(),
                });
            }
            (Transition::Opened { .. }, ReplayedState::Open(trip) | ReplayedState::HalfOpen(trip)) => {
                self.state = ReplayedState::Open(trip);
                report.trips[trip].reopened += 1;
            }
            (Transition::HalfOpened { .. }, ReplayedState::Open(trip)) => {
                self.state = ReplayedState::HalfOpen(trip);
                report.trips[trip].trials += 1;
            }
            (Transition::Closed, ReplayedState::Open(trip) | ReplayedState::HalfOpen(trip)) => {
                self.state = ReplayedState::Closed;
                report.trips[trip].closed_at = Some(event.at);
                self.outage.end();
            }
            _ => {}
        }
        report.changes.push(Change {
            at: event.at,
            key: self.key.clone(),
            transition: event.transition,
        });
    }

    /// Counts a call that arrived just now.
    fn count(&mut self, index: u32, admitted: bool, report: &mut Report) -> ReplayedCall<'a> {
        let call = self.call(index);
        let was_good = was_good(call, self.objective, self.trace.patience);
        let replayed = ReplayedCall {
            call,
            diverted: !admitted,
            was_good,
        };
        match (call.completion, admitted) {
            (Completion::Refused, true) => report.refused_before += 1,
            (Completion::Refused, false) => report.refused_again += 1,
            (Completion::Unused, _) => {}
            (_, true) => report.admitted.count(was_good),
            (_, false) => {
                report.diverted.count(was_good);
                if let ReplayedState::Open(trip) | ReplayedState::HalfOpen(trip) = self.state {
                    report.trips[trip].diverted.count(was_good);
                }
                if let ReplayedState::Open(trip) = self.state {
                    report.trips[trip].while_open.count(was_good);
                    if report.trips[trip].trials == 0 {
                        report.trips[trip].before_first_trial.count(was_good);
                    }
                }
            }
        }
        self.outage.count(was_good, Timestamp::from_nanos(call.start));
        replayed
    }
}

/// An observer that asks for each call, and ignores it.
///
/// A breaker with such an observer records each call at once rather than in batches, like the
/// recorded breaker did.
struct ObserveEachCall;

impl Observer for ObserveEachCall {
    fn on_event(&self, _: &Event) {}

    fn observes_calls(&self) -> bool {
        true
    }
}
