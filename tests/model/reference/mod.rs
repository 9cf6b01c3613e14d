//! Works the rules of `ARCHITECTURE.md` out by hand: keeps lists of what happened, and answers each
//! question from them anew. It keeps no sums and no rings, and decides nothing by floating-point
//! numbers.

mod bucket;
mod closed;
mod estimator;
mod half_open;
mod moments;

use std::{ops::RangeInclusive, time::Duration};

use tower_breaker::{
    Outcome, State,
    config::{CancelledCalls, SlowAfter},
    machine::{Assessment, Completion, Settled},
    snapshot::Mode,
};

pub(crate) use self::{
    bucket::Bucket,
    closed::{Closed, Memory, Tally},
    estimator::LatencyEstimator,
    half_open::HalfOpen,
};
use self::{
    bucket::Judged,
    half_open::{Reservation, Step},
};
use crate::common::generated::plan::{FormPlan, Plan};

/// Nanoseconds since the clock began.
pub(crate) type Nanos = u64;

pub(crate) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// From here on, there may be no time left to wait for.
const SECOND_TENTH: Duration = Duration::from_millis(100);
pub(crate) const END_OF_TIME: Nanos = u64::MAX - 100 * 365 * 24 * 3600 * SECOND;

const SECOND: Nanos = 1_000_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) plan: Plan,
    /// The latest time that a step has given.
    pub(crate) now: Nanos,
    pub(crate) mode: Mode,
    pub(crate) mode_reason: Option<String>,
    pub(crate) reverts_at: Option<Nanos>,
    pub(crate) phase: Phase,
    pub(crate) since: Nanos,
    pub(crate) generation: u64,
    pub(crate) attempt: Option<u32>,
    /// How many keep trials for those who aren't callers.
    pub(crate) trial_reservations: u32,
    pub(crate) last_trip: Option<Cause>,
    /// Until when the primary asked to be left alone.
    paused_until: Nanos,
    pub(crate) estimator: LatencyEstimator,
    /// Calls from before the last reset are forgotten.
    learns_from: u64,
    /// What has changed, in order.
    pub(crate) transitions: Vec<Expected>,
    calls: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Phase {
    Closed(Closed),
    Open {
        until: Nanos,
        /// As many refused calls as end it early, and when they do at the soonest.
        early: Option<(u32, Nanos)>,
        refused: u32,
        needed: u32,
        patient_until: Nanos,
    },
    HalfOpen(HalfOpen),
}

/// The reference's half of a ticket.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    id: u64,
    pub(crate) generation: u64,
    pub(crate) started: Option<Nanos>,
    pub(crate) answered: Option<Nanos>,
    slow_after: Option<Duration>,
    time_limit: Option<Duration>,
    pub(crate) reserved: bool,
    /// Whether it is one to learn from.
    sampled: bool,
}

/// A trip's reason, with what was measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cause {
    Evidence {
        level: f64,
        threshold: f64,
        bad: u64,
        calls: u64,
        over: Nanos,
    },
    FailureRate {
        rate: f64,
        percent: u64,
        calls: u64,
    },
    SlowCallRate {
        rate: f64,
        percent: u64,
        calls: u64,
    },
    Consecutive {
        count: u64,
        threshold: u64,
    },
    TrialFailed {
        bad: u64,
        calls: u64,
        threshold: u64,
    },
    NoVerdict {
        calls: u64,
    },
    BadCalls {
        bad: u64,
        most: u64,
    },
}

/// A transition that the machine should report.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Opened {
        from: State,
        cause: Cause,
        /// What it may be, in seconds: jitter decides.
        open_for: RangeInclusive<f64>,
        attempt: u32,
    },
    HalfOpened {
        attempt: u32,
    },
    Share {
        from: u8,
        to: u8,
        cause: Option<Cause>,
    },
    Closed,
    WouldHaveTripped(Cause),
    Mode {
        from: Mode,
        to: Mode,
        /// `None` where it went back by itself.
        reason: Option<String>,
        reverts_after: Option<Nanos>,
    },
    Reset,
    Reconfigured,
}

impl Reference {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            phase: Phase::Closed(Closed::new(&plan, 0)),
            plan,
            now: 0,
            mode: Mode::Automatic,
            mode_reason: None,
            reverts_at: None,
            since: 0,
            generation: 1,
            attempt: None,
            trial_reservations: 0,
            last_trip: None,
            paused_until: 0,
            estimator: LatencyEstimator::default(),
            learns_from: 0,
            transitions: Vec::new(),
            calls: 0,
        }
    }

    /// What time alone leads to. A clock that went back stands still.
    pub(crate) fn catch_up(&mut self, clock: Nanos) {
        self.now = self.now.max(clock);
        if self.reverts_at.is_some_and(|at| at <= self.now) {
            self.change_mode(Mode::Automatic, None, None);
        }
        if let Phase::HalfOpen(half_open) = &mut self.phase {
            let lapsed = |reservation: &&Reservation| reservation.until <= self.now;
            for reservation in half_open.reservations.clone().iter().filter(lapsed) {
                half_open.reservations.retain(|other| other.id != reservation.id);
                half_open.gives_back(reservation.id, &self.plan);
            }
            self.pass_stages();
        }
    }

    pub(crate) fn state(&self) -> State {
        match &self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { .. } if self.is_ready_to_probe() => State::ReadyToProbe,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen(_) => State::HalfOpen,
        }
    }

    pub(crate) fn share(&self) -> u8 {
        match &self.phase {
            Phase::Closed(_) => 100,
            Phase::Open { .. } => 0,
            Phase::HalfOpen(half_open) => match half_open.step {
                Step::Trial { .. } => 0,
                Step::Stage { index, .. } => self.plan.stages()[index],
            },
        }
    }

    /// How long to wait, where the documentation leaves no choice.
    pub(crate) fn open_for(&self) -> Option<Nanos> {
        match self.phase {
            Phase::Open { .. } if self.mode == Mode::ForcedOpen => self.reverts_at.map(|at| at - self.now.min(at)),
            Phase::Open { .. } if self.open_time_is_up() => Some(0),
            Phase::Open { until, .. } => Some(until - self.now.min(until)),
            _ => None,
        }
    }

    fn open_time_is_up(&self) -> bool {
        let Phase::Open {
            until, early, refused, ..
        } = self.phase
        else {
            return false;
        };
        let is_early = early.is_some_and(|(enough, from)| refused >= enough && from <= self.now);
        (until <= self.now || is_early) && self.mode != Mode::ForcedOpen
    }

    fn is_ready_to_probe(&self) -> bool {
        let Phase::Open {
            refused,
            needed,
            patient_until,
            ..
        } = self.phase
        else {
            return false;
        };
        self.open_time_is_up() && (refused >= needed || patient_until <= self.now)
    }

    fn begin_trial(&mut self) {
        self.phase = Phase::HalfOpen(HalfOpen::new(&self.plan, self.now));
        self.since = self.now;
        self.transitions.push(Expected::HalfOpened {
            attempt: self.attempt.unwrap_or(0),
        });
    }

    /// Whether there is a trial that callers have no part in.
    fn keeps_callers_out(&self) -> bool {
        let is_trial =
            matches!(&self.phase, Phase::HalfOpen(half_open) if matches!(half_open.step, Step::Trial { .. }));
        self.trial_reservations > 0 && is_trial
    }

    pub(crate) fn admit(&mut self, clock: Nanos) -> Option<Call> {
        self.catch_up(clock);
        if self.is_ready_to_probe() && self.trial_reservations == 0 {
            self.begin_trial();
        }
        self.calls += 1;
        if self.keeps_callers_out() {
            return None;
        }
        let granted = match &mut self.phase {
            Phase::Closed(_) => true,
            Phase::Open { refused, .. } => {
                *refused += 1;
                false
            }
            Phase::HalfOpen(half_open) => half_open.grants(self.calls, &self.plan),
        };
        granted.then(|| self.call(Some(self.now), false))
    }

    pub(crate) fn reserve(&mut self, clock: Nanos) -> Option<Call> {
        self.catch_up(clock);
        if self.open_time_is_up() && self.trial_reservations == 0 {
            self.begin_trial();
        }
        self.calls += 1;
        if self.keeps_callers_out() {
            return None;
        }
        let id = self.calls;
        let until = self.now.saturating_add(nanos(self.lease()));
        match &mut self.phase {
            Phase::Closed(_) => Some(self.call(Some(self.now), false)),
            Phase::Open { .. } => None,
            Phase::HalfOpen(half_open) => {
                let granted = half_open.grants(id, &self.plan);
                half_open
                    .reservations
                    .extend(granted.then_some(Reservation { id, until }));
                granted.then(|| self.call(None, true))
            }
        }
    }

    /// A call of the trial, by somebody who is no caller.
    pub(crate) fn admit_to_trial(&mut self, clock: Nanos) -> Option<Call> {
        self.catch_up(clock);
        if self.open_time_is_up() {
            self.begin_trial();
        }
        self.calls += 1;
        let id = self.calls;
        let granted = match &mut self.phase {
            Phase::HalfOpen(half_open) => {
                matches!(half_open.step, Step::Trial { .. }) && half_open.grants(id, &self.plan)
            }
            _ => false,
        };
        granted.then(|| self.call(Some(self.now), false))
    }

    /// Trips for a reason that the calls don't tell; whether it did.
    pub(crate) fn trip_for(&mut self, cause: Cause, clock: Nanos) -> bool {
        self.catch_up(clock);
        let trips = match (self.mode, &self.phase) {
            (Mode::Automatic, Phase::Open { .. }) => false,
            (Mode::Automatic, _) => true,
            (Mode::Shadow, Phase::Closed(closed)) => closed.quiet_until <= self.now,
            _ => false,
        };
        if trips {
            self.trip(cause);
        }
        trips && self.mode == Mode::Automatic
    }

    fn call(&self, started: Option<Nanos>, reserved: bool) -> Call {
        Call {
            id: self.calls,
            generation: self.generation,
            started,
            answered: None,
            slow_after: self.slow_after(),
            time_limit: matches!(self.phase, Phase::HalfOpen(_)).then(|| self.lease()),
            reserved,
            sampled: false,
        }
    }

    /// From when on calls that begin now are slow.
    pub(crate) fn slow_after(&self) -> Option<Duration> {
        match self.plan.slow_after {
            SlowAfter::After(duration) => Some(duration),
            SlowAfter::Learned => self.estimator.reading().map(|reading| reading.slow_after),
            _ => None,
        }
    }

    pub(crate) fn learned_p99(&self) -> Option<Duration> {
        let reading = self.estimator.reading().filter(|_| self.plan.learns());
        reading.map(|reading| reading.p99)
    }

    /// Whether this call may be sampled, or left out, as it was.
    pub(crate) fn may_sample(&mut self, call: &mut Call, sampled: bool) -> bool {
        call.sampled = sampled;
        match self.plan.learns() && self.mode != Mode::Disabled {
            true => self.estimator.may(sampled, self.now),
            false => !sampled,
        }
    }

    /// What is learned from a call's end, whatever it is worth otherwise.
    pub(crate) fn learn(&mut self, call: &Call, completion: Completion, clock: Nanos) {
        let good = completion == Completion::Finished(Outcome::Success);
        let Some(started) = call.started.filter(|_| self.may_teach(call) && good) else {
            return;
        };
        self.catch_up(clock);
        if self.mode != Mode::Disabled && self.plan.learns() {
            let took = call.answered.unwrap_or(self.now).saturating_sub(started);
            self.estimator.learn(took, self.now);
        }
    }

    pub(crate) fn may_teach(&self, call: &Call) -> bool {
        call.sampled && call.generation >= self.learns_from
    }

    /// How long a half-open call or a reservation may take.
    fn lease(&self) -> Duration {
        match (self.plan.recovery.probe_timeout, self.slow_after()) {
            (Some(timeout), _) => timeout,
            (None, Some(slow_after)) => (2 * slow_after).max(Duration::from_secs(1)),
            (None, None) => {
                let growth = 1.5_f64.powf(self.attempt.unwrap_or(0).into());
                Duration::from_secs_f64(growth.min(60.0))
            }
        }
    }

    /// When this call is overdue: past `slow_after`, or in half-open past its lease, whichever
    /// comes first.
    pub(crate) fn due(&self, call: &Call, clock: Nanos) -> Option<Nanos> {
        let limit = match call.started {
            Some(_) => [call.slow_after, call.time_limit].into_iter().flatten().min(),
            None => call.time_limit,
        };
        limit.map(|limit| call.started.unwrap_or(clock).saturating_add(nanos(limit)))
    }

    /// When an answer that goes on and on is good enough for a probe.
    pub(crate) fn streaming_deadline(call: &Call, clock: Nanos) -> Option<Nanos> {
        call.time_limit.map(|limit| clock.saturating_add(nanos(limit)))
    }

    pub(crate) fn holds(&self, call: &Call) -> bool {
        let is_reserved = match &self.phase {
            Phase::HalfOpen(half_open) => half_open
                .reservations
                .iter()
                .any(|reservation| reservation.id == call.id),
            _ => false,
        };
        call.generation == self.generation && (!call.reserved || is_reserved)
    }

    pub(crate) fn claim(&mut self, call: &mut Call, clock: Nanos) -> bool {
        self.catch_up(clock);
        let held = self.holds(call);
        if let Phase::HalfOpen(half_open) = &mut self.phase {
            half_open.reservations.retain(|reservation| reservation.id != call.id);
        }
        call.reserved = false;
        if !held {
            call.generation = 0;
            call.sampled = false;
        }
        held
    }

    pub(crate) fn settle(&mut self, call: &Call, completion: Completion, clock: Nanos) -> Settled {
        self.catch_up(clock);
        self.learn(call, completion, clock);
        if call.generation != self.generation {
            return Settled::Stale;
        }
        if self.mode == Mode::Disabled {
            return Settled::Unrecorded;
        }
        let took = call
            .started
            .map(|started| call.answered.unwrap_or(self.now).saturating_sub(started));
        let slow = match (took, call.slow_after) {
            (Some(took), Some(limit)) => took > nanos(limit),
            _ => false,
        };
        let too_long_for_most = match (took, self.learned_p99()) {
            (Some(took), Some(p99)) => 2 * u128::from(took) > 3 * p99.as_nanos(),
            _ => false,
        };
        let settled = match (completion, self.plan.cancelled) {
            (Completion::Finished(Outcome::Ignored), _) => Settled::Ignored,
            (Completion::Finished(outcome), _) => counted(outcome == Outcome::Failure, slow),
            // The primary was never called.
            (Completion::Cancelled, _) if call.started.is_none() => Settled::Cancelled,
            (Completion::Cancelled, CancelledCalls::Failure) => counted(true, slow),
            (Completion::Cancelled, CancelledCalls::SlowIfOverdue) if slow || too_long_for_most => counted(false, true),
            (Completion::Cancelled, _) => Settled::Cancelled,
            // Unused or refused: the primary was never called.
            _ => Settled::Unused,
        };
        match &settled {
            Settled::Counted(assessment) => self.record(call, *assessment, self.now),
            _ if call.reserved => self.give_up_reservation(call),
            _ => self.leave_undecided(call),
        }
        settled
    }

    /// A call is found to be still in flight, past its time.
    pub(crate) fn overdue(&mut self, call: &Call, since: Nanos, clock: Nanos) {
        self.catch_up(clock);
        if call.generation == self.generation && self.mode != Mode::Disabled {
            let mut slow = Assessment::default();
            slow.slow = true;
            self.record(call, slow, since.min(self.now));
        }
    }

    /// A call that was overdue has ended in a failure.
    pub(crate) fn overdue_failed(&mut self, call: &Call, clock: Nanos) {
        self.catch_up(clock);
        if let Phase::Closed(closed) = &mut self.phase {
            if call.generation == self.generation {
                closed.overdue_failed(self.now);
                self.trip_if_due();
            }
        }
    }

    /// The evidence may have lasted long enough by now.
    pub(crate) fn reconsider(&mut self, clock: Nanos) {
        self.catch_up(clock);
        if self.trips_at().is_some_and(|ripe| ripe <= self.now) {
            self.trip_if_due();
        }
    }

    pub(crate) fn trips_at(&self) -> Option<Nanos> {
        match &self.phase {
            Phase::Closed(closed) => closed.trips_at(),
            Phase::Open { .. } | Phase::HalfOpen(_) => None,
        }
    }

    fn trip_if_due(&mut self) {
        if let Phase::Closed(closed) = &self.phase {
            if let Some(cause) = closed.trips(self.now) {
                self.trip(cause);
            }
        }
    }

    /// A call's answer has gone on for as long as a probe is given.
    pub(crate) fn streaming(&mut self, call: &Call, clock: Nanos) {
        self.catch_up(clock);
        if call.generation == self.generation && self.mode != Mode::Disabled {
            self.record(call, Assessment::default(), self.now);
        }
    }

    /// The primary asked, with this call's answer, to be left alone.
    pub(crate) fn asked_for_pause(&mut self, call: &Call, pause: Duration, clock: Nanos) {
        self.catch_up(clock);
        if call.generation == self.generation {
            self.paused_until = self.now.saturating_add(nanos(pause));
        }
    }

    fn record(&mut self, call: &Call, assessment: Assessment, since: Nanos) {
        let now = self.now;
        let judged = |weight| Judged {
            at_once: assessment.failed,
            failed: assessment.failed,
            slow: assessment.slow,
            since,
            known: now,
            weight,
            excess: 1,
            sustained: 0,
        };
        match &mut self.phase {
            Phase::Closed(closed) if now < closed.quiet_until => {}
            Phase::Closed(closed) => {
                closed.note(judged(0), now);
                self.trip_if_due();
            }
            Phase::Open { .. } => {}
            Phase::HalfOpen(half_open) => {
                half_open.ended.push((true, now));
                match &mut half_open.step {
                    Step::Stage { log, .. } => log.push(judged(half_open.weight)),
                    Step::Trial { holders, verdicts, .. } => {
                        holders.retain(|holder| *holder != call.id);
                        verdicts.push(assessment.is_bad());
                    }
                }
                self.end_trial();
                self.pass_stages();
            }
        }
    }

    fn leave_undecided(&mut self, call: &Call) {
        let now = self.now;
        let Phase::HalfOpen(half_open) = &mut self.phase else {
            return;
        };
        // In a stage its turn has been used.
        if matches!(half_open.step, Step::Trial { .. }) {
            half_open.gives_back(call.id, &self.plan);
        }
        half_open.ended.push((false, now));
        let calls = half_open.undecided_in_a_row();
        if calls >= 10 && now - half_open.last_decided() >= SECOND {
            self.trip(Cause::NoVerdict { calls });
        }
    }

    fn give_up_reservation(&mut self, call: &Call) {
        let Phase::HalfOpen(half_open) = &mut self.phase else {
            return;
        };
        if half_open
            .reservations
            .iter()
            .any(|reservation| reservation.id == call.id)
        {
            half_open.reservations.retain(|reservation| reservation.id != call.id);
            half_open.gives_back(call.id, &self.plan);
        }
    }

    /// A trial's verdict, as soon as the calls that are still to come can't change it.
    fn end_trial(&mut self) {
        let Phase::HalfOpen(half_open) = &self.phase else {
            return;
        };
        let Step::Trial {
            permitted,
            too_many,
            verdicts,
            ..
        } = &half_open.step
        else {
            return;
        };
        let bad = verdicts.iter().filter(|bad| **bad).count() as u64;
        let to_come = permitted - verdicts.len() as u64;
        if bad >= *too_many {
            let calls = verdicts.len() as u64;
            self.trip(Cause::TrialFailed {
                bad,
                calls,
                threshold: *too_many,
            });
        } else if bad + to_come < *too_many {
            match self.plan.recovery.form {
                FormPlan::Gradual { .. } => self.enter_stage(0, None),
                FormPlan::Permitted { .. } => self.close(),
            }
        }
    }

    fn pass_stages(&mut self) {
        let (Phase::HalfOpen(half_open), FormPlan::Gradual { .. }) = (&self.phase, &self.plan.recovery.form) else {
            return;
        };
        let Step::Stage { index, since, log, .. } = &half_open.step else {
            return;
        };
        let FormPlan::Gradual {
            stages,
            successes,
            stage_duration,
            net_failures,
        } = &self.plan.recovery.form
        else {
            return;
        };
        let bucket = Bucket::replay(log);
        if bucket.is_full(half_open.weight, *net_failures, 2, 4) {
            let cause = bucket.reason(half_open.weight, *net_failures, 2, self.now);
            let half = |stage: &u8| 2 * u32::from(*stage) <= u32::from(stages[*index]);
            match stages.iter().rposition(half) {
                Some(lower) => self.enter_stage(lower, Some(cause)),
                None => self.trip(cause),
            }
            return;
        }
        let lasted = self.now - since;
        let good_in_a_row = log.iter().rev().take_while(|call| !call.bad()).count();
        let (least, enough) = if index + 1 == stages.len() { (8, 8) } else { (1, 4) };
        let quickly = good_in_a_row >= *successes as usize && lasted >= least * nanos(*stage_duration);
        let any_good = log.iter().any(|call| !call.bad());
        let slowly = any_good && bucket.level == 0 && lasted >= enough * nanos(*stage_duration);
        if !quickly && !slowly {
            return;
        }
        let next = index + 1;
        if next < stages.len() {
            self.enter_stage(next, None);
        } else {
            self.close();
        }
    }

    fn enter_stage(&mut self, index: usize, cause: Option<Cause>) {
        let from = self.share();
        let to = self.plan.stages()[index];
        if let Phase::HalfOpen(half_open) = &mut self.phase {
            half_open.reservations.clear();
            half_open.step = Step::Stage {
                index,
                since: self.now,
                log: Vec::new(),
                asked: 0,
                granted: 0,
            };
        }
        self.transitions.push(Expected::Share { from, to, cause });
    }

    fn close(&mut self) {
        self.phase = Phase::Closed(Closed::new(&self.plan, self.now));
        self.since = self.now;
        self.transitions.push(Expected::Closed);
    }

    fn trip(&mut self, cause: Cause) {
        let from = self.state();
        if from == State::Closed && self.now - self.since >= 10 * SECOND {
            self.attempt = None;
        }
        self.last_trip = Some(cause.clone());
        if self.mode == Mode::Shadow {
            self.phase = Phase::Closed(Closed {
                quiet_until: self.now.saturating_add(10 * SECOND),
                ..Closed::new(&self.plan, self.now)
            });
            self.transitions.push(Expected::WouldHaveTripped(cause));
            return;
        }
        self.estimator.start_sampling();
        let attempt = self.attempt.map_or(0, |last| last + 1);
        self.attempt = Some(attempt);
        let open = &self.plan.open;
        let needed = match open.refused {
            0 => 0,
            calls => calls + attempt,
        };
        let mut longest = open.initial.as_secs_f64();
        for _ in 0..attempt {
            longest = (longest * open.factor).min(open.max.as_secs_f64());
        }
        let asked_for = Duration::from_nanos(self.paused_until.saturating_sub(self.now));
        let least = open.pause_cap.map_or(0.0, |cap| asked_for.min(cap).as_secs_f64());
        self.transitions.push(Expected::Opened {
            from,
            cause,
            open_for: least.max(longest * (1.0 - open.jitter))..=least.max(longest),
            attempt,
        });
        // The exact time is known once the machine has reported it: see `pin_open_time`.
        let until = self.now;
        let soonest = asked_for.min(open.pause_cap.unwrap_or_default()).max(SECOND_TENTH);
        let early = (open.enough > 0).then(|| (open.enough, self.now.saturating_add(nanos(soonest))));
        let patience = (0..attempt).fold(60.0, |patience: f64, _| (patience * 1.5).min(600.0));
        let patient_until = self.now.saturating_add(nanos(Duration::from_secs_f64(patience)));
        self.new_generation(Phase::Open {
            until,
            early,
            refused: 0,
            needed,
            patient_until,
        });
    }

    /// Takes over how long jitter, and rounding, have made the open time.
    pub(crate) fn pin_open_time(&mut self, open_for: Duration) {
        if let Phase::Open { until, .. } = &mut self.phase {
            *until = self.since.saturating_add(nanos(open_for));
        }
    }

    fn new_generation(&mut self, phase: Phase) {
        self.generation += 1;
        self.phase = phase;
        self.since = self.now;
    }

    pub(crate) fn set_mode(&mut self, mode: Mode, reason: &str, ttl: Option<Duration>, clock: Nanos) {
        self.catch_up(clock);
        let reverts_at = ttl.map(|ttl| self.now.saturating_add(nanos(ttl)));
        self.change_mode(mode, Some(reason.to_owned()), reverts_at);
    }

    fn change_mode(&mut self, to: Mode, reason: Option<String>, reverts_at: Option<Nanos>) {
        let from = self.mode;
        let by_hand = to != Mode::Automatic;
        self.mode = to;
        self.mode_reason = reason.clone().filter(|_| by_hand);
        self.reverts_at = reverts_at.filter(|_| by_hand);
        if from == to && !by_hand {
            return;
        }
        self.attempt = None;
        let open = Phase::Open {
            until: self.now,
            early: None,
            refused: 0,
            needed: 0,
            patient_until: self.now,
        };
        // After a forced opening, access returns by way of a probe.
        self.new_generation(match (from, to) {
            (_, Mode::ForcedOpen) | (Mode::ForcedOpen, Mode::Automatic) => open,
            _ => Phase::Closed(Closed::new(&self.plan, self.now)),
        });
        self.transitions.push(Expected::Mode {
            from,
            to,
            reason,
            reverts_after: self.reverts_at.map(|at| at - self.now),
        });
    }

    pub(crate) fn reset(&mut self, clock: Nanos) {
        self.catch_up(clock);
        self.mode = Mode::Automatic;
        self.mode_reason = None;
        self.reverts_at = None;
        self.attempt = None;
        self.last_trip = None;
        self.paused_until = 0;
        self.new_generation(Phase::Closed(Closed::new(&self.plan, self.now)));
        self.estimator = LatencyEstimator::default();
        self.learns_from = self.generation;
        self.transitions.push(Expected::Reset);
    }

    pub(crate) fn reconfigure(&mut self, plan: Plan, clock: Nanos) {
        self.catch_up(clock);
        let other_recovery = plan.recovery != self.plan.recovery;
        self.plan = plan;
        match &mut self.phase {
            Phase::Closed(closed) => closed.under(&self.plan, self.now),
            Phase::HalfOpen(_) if other_recovery => {
                self.new_generation(Phase::HalfOpen(HalfOpen::new(&self.plan, self.now)));
            }
            Phase::Open { .. } | Phase::HalfOpen(_) => {}
        }
        self.transitions.push(Expected::Reconfigured);
    }
}

fn counted(failed: bool, slow: bool) -> Settled {
    let mut assessment = Assessment::default();
    assessment.failed = failed;
    assessment.slow = slow;
    Settled::Counted(assessment)
}
