//! The machine and the reference side by side: each step is done to both, and what can be seen of
//! them compared.

use std::time::Duration;

use proptest::{prelude::*, test_runner::TestCaseError};
use tower_breaker::{
    Outcome, State,
    clock::Timestamp,
    config::SlowAfter,
    machine::{Completion, Machine, Settled, Ticket, View},
    observe::Transition,
    policy::TripReason,
    snapshot::Mode,
};

use crate::{
    common::{
        durations::ms,
        generated::{
            act::Ends,
            plan::{FormPlan, Plan},
        },
    },
    op::{MachineRun, Mistake, Op, Traffic},
    reference::{Call, Cause, END_OF_TIME, Nanos, Phase, Reference, nanos},
};

pub(crate) type Checked<T = ()> = Result<T, TestCaseError>;

pub(crate) struct Lockstep {
    machine: Machine,
    reference: Reference,
    /// The time that the machine is given. It may go back.
    clock: Nanos,
    live: Vec<Live>,
    prompt: bool,
    /// Only transitions are compared.
    hasty: bool,
    turns: Turns,
    transitions: usize,
    longest_limit: Duration,
}

/// A call or reservation that is out.
struct Live {
    ticket: Ticket,
    call: Call,
    due: Option<Nanos>,
    /// Its answer goes on, and is good enough then.
    streaming_deadline: Option<Nanos>,
    /// It has been reported as overdue, or as lasting; its end must not be settled as well.
    reported: bool,
    /// The stage, if any, that its reservation was given in.
    reserved_in: Option<usize>,
}

/// The turns of the present stage, counted as an onlooker would.
#[derive(Default)]
struct Turns {
    /// Which transition the stage began with.
    stage: usize,
    asked: u64,
    used: u64,
}

const fn at(nanos: Nanos) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

impl Lockstep {
    /// Plays a run to its last step.
    pub(crate) fn play(run: &MachineRun, seed: u64) -> Checked<Self> {
        let mut lockstep = Self {
            machine: Machine::new(run.plan.settings(), seed).expect("a plan is valid"),
            reference: Reference::new(run.plan.clone()),
            clock: nanos(run.starts_at),
            live: Vec::new(),
            prompt: run.prompt,
            hasty: false,
            turns: Turns::default(),
            transitions: 0,
            longest_limit: run.plan.longest_limit(),
        };
        lockstep.check()?;
        for op in &run.ops {
            lockstep.step(op)?;
        }
        // What follows is the callers' doing.
        while lockstep.reference.trial_reservations > 0 {
            lockstep.reserve_trials(false)?;
        }
        Ok(lockstep)
    }

    fn step(&mut self, op: &Op) -> Checked {
        self.check_reservations(self.clock)?;
        if self.prompt {
            self.report_overdue()?;
        }
        match op {
            Op::Traffic(traffic) => self.traffic(traffic),
            Op::Teach(traffic) => self.teach(traffic),
            Op::Break => self.break_it(),
            Op::Recover { share, every } => self.recover(*share, *every),
            Op::Ask(calls) => (0..*calls).try_for_each(|_| self.admit().map(drop)),
            Op::AskAndWait => self.admit_waiting(),
            Op::StartWaiting(call) => {
                self.start_waiting(*call);
                Ok(())
            }
            Op::Answer(call) => self.answer(*call),
            Op::GiveUp(offset) => self.give_up(*offset),
            Op::AskForPause(pause) => self.ask_for_pause(*pause),
            Op::Hang { calls, every } => self.hang(*calls, *every),
            Op::FailLate(calls) => (0..*calls).try_for_each(|_| {
                let late = |live: &Live| live.reported && live.due.is_some();
                match self.live.iter().position(late) {
                    Some(index) => self.end(index, Ends::Bad),
                    None => Ok(()),
                }
            }),
            Op::Finish(call, ends) => match self.picked(*call) {
                Some(index) => self.end(index, *ends),
                None => Ok(()),
            },
            Op::FinishAll(ends) => (0..self.live.len()).rev().try_for_each(|index| self.end(index, *ends)),
            Op::Reservation(reservations) => (0..*reservations).try_for_each(|_| self.reserve()),
            Op::ReservationAmidTraffic(calls) => {
                self.reserve()?;
                self.traffic(&Traffic {
                    calls: *calls,
                    every: Duration::ZERO,
                    takes: Duration::ZERO,
                    ends: Ends::Good,
                    until_change: true,
                })
            }
            Op::Trip => self.trip(),
            Op::KeepTrials(keep) => self.reserve_trials(*keep),
            Op::AskForTrial(calls) => (0..*calls).try_for_each(|_| self.ask_for_trial()),
            Op::Redeem(call) => self.claim(*call),
            Op::ReportOverdue => self.report_overdue(),
            Op::Reconsider => self.reconsider(),
            Op::Ripen(offset) => self.ripen(*offset),
            Op::Sleep(time) => {
                self.sleep(nanos(*time));
                Ok(())
            }
            Op::SleepUntil { moment, offset } => {
                self.sleep_until(*moment, *offset);
                Ok(())
            }
            Op::Back(time) => {
                self.clock = self.clock.saturating_sub(nanos(*time));
                Ok(())
            }
            Op::Reconfigure(change) => self.reconfigure(change.of(&self.reference.plan)),
            Op::Misconfigure(mistake) => self.misconfigure(*mistake),
            Op::SetMode(mode, ttl) => self.set_mode(*mode, *ttl),
            Op::Reset => self.reset(),
            Op::Look(ahead) => self.look(self.clock.saturating_add(nanos(*ahead))),
        }
    }

    fn sleep(&mut self, time: Nanos) {
        self.clock = self.clock.saturating_add(time);
    }

    fn sleep_until(&mut self, moment: u8, offset: i8) {
        let mut moments = self.reference.moments();
        let waited_for = self.live.iter().filter(|live| !live.reported);
        let dues = waited_for.filter_map(|live| live.due.or(live.streaming_deadline));
        moments.extend(dues.filter(|due| *due > self.clock));
        if let Some(moment) = moments.get(usize::from(moment) % moments.len().max(1)) {
            self.clock = moment.saturating_add_signed(offset.into());
        }
    }

    fn picked(&self, call: u8) -> Option<usize> {
        usize::from(call).checked_rem(self.live.len())
    }

    fn traffic(&mut self, traffic: &Traffic) -> Checked {
        let before = self.transitions;
        for _ in 0..traffic.calls {
            self.sleep(nanos(traffic.every));
            if self.prompt || traffic.ends == Ends::Hangs {
                self.report_overdue()?;
            }
            if self.admit()? {
                self.sleep(nanos(traffic.takes));
                self.end(self.live.len() - 1, traffic.ends)?;
            }
            if traffic.until_change && self.transitions > before {
                break;
            }
        }
        Ok(())
    }

    fn teach(&mut self, traffic: &Traffic) -> Checked {
        let some = Traffic { calls: 8, ..*traffic };
        for _ in 0..traffic.calls / some.calls {
            self.hasty = true;
            let done = self.traffic(&some);
            self.hasty = false;
            done?;
            self.check()?;
        }
        Ok(())
    }

    fn break_it(&mut self) -> Checked {
        let before = self.reference.generation;
        for _ in 0..150 {
            if self.reference.generation > before || !self.admit()? {
                break;
            }
            self.end(self.live.len() - 1, Ends::Bad)?;
            self.sleep(nanos(ms(60)));
        }
        Ok(())
    }

    fn recover(&mut self, share: u8, every: Duration) -> Checked {
        if let (Phase::Open { until, .. }, Mode::Automatic) = (&self.reference.phase, self.reference.mode) {
            self.clock = self.clock.max(*until);
        }
        for _ in 0..200 {
            let view = self.machine.view(at(self.clock));
            if view.share >= share && !matches!(view.state, State::Open | State::ReadyToProbe) {
                break;
            }
            if self.admit()? {
                self.end(self.live.len() - 1, Ends::Good)?;
            }
            self.sleep(nanos(every));
        }
        Ok(())
    }

    fn admit(&mut self) -> Checked<bool> {
        let expected = self.reference.admit(self.clock);
        let got = self.machine.admit(at(self.clock));
        self.hear()?;
        self.turns.asked += 1;
        match (got, expected) {
            (Ok(ticket), Some(call)) => {
                self.turns.used += 1;
                self.keep(ticket, call)?;
                self.check()?;
                Ok(true)
            }
            (Err(refusal), None) => {
                self.reference.check_refusal(refusal.retry_after)?;
                self.check()?;
                Ok(false)
            }
            (got, expected) => Err(TestCaseError::fail(format!("admit: {got:?}, not {expected:?}"))),
        }
    }

    fn admit_waiting(&mut self) -> Checked {
        if self.admit()? {
            let clock = self.clock;
            let last = self.live.last_mut().expect("it was admitted");
            last.ticket.wait();
            last.call.started = None;
            self.note_due(clock, self.live.len() - 1)?;
        }
        Ok(())
    }

    fn start_waiting(&mut self, call: u8) {
        let clock = self.clock;
        let mut waiting = self
            .live
            .iter_mut()
            .filter(|live| !live.ticket.has_started() && !live.ticket.is_reservation());
        if let Some(live) = waiting.nth(usize::from(call) % 4) {
            live.ticket.start(at(clock));
            live.call.started = Some(clock);
            live.due = self.reference.due(&live.call, clock);
        }
    }

    fn answer(&mut self, call: u8) -> Checked {
        self.report_overdue()?;
        let Some(index) = self.picked(call) else {
            return Ok(());
        };
        let live = &mut self.live[index];
        if live.call.started.is_some() && live.call.answered.is_none() {
            live.ticket.answer(at(self.clock));
            live.call.answered = Some(self.clock);
            live.due = None;
            live.streaming_deadline = Reference::streaming_deadline(&live.call, self.clock);
            prop_assert_eq!(
                live.ticket.streaming_deadline(at(self.clock)),
                live.streaming_deadline.map(at),
                "lasting at"
            );
        }
        Ok(())
    }

    fn give_up(&mut self, offset: i8) -> Checked {
        if self.admit()? {
            let long = self.reference.learned_p99().map_or(Duration::ZERO, |p99| p99 * 3 / 2);
            // The call has begun by the machine's clock, which doesn't go back.
            let given_up = self.reference.now.saturating_add(nanos(long));
            self.clock = given_up.saturating_add_signed(offset.into());
            self.end(self.live.len() - 1, Ends::Cancelled)?;
        }
        Ok(())
    }

    fn ask_for_pause(&mut self, pause: Duration) -> Checked {
        if self.admit()? {
            let index = self.live.len() - 1;
            let Live { ticket, call, .. } = &self.live[index];
            self.reference.asked_for_pause(call, pause, self.clock);
            self.machine.asked_for_pause(ticket, pause, at(self.clock));
            self.end(index, Ends::Bad)?;
        }
        Ok(())
    }

    fn hang(&mut self, calls: u8, every: Duration) -> Checked {
        for _ in 0..calls {
            self.sleep(nanos(every));
            if self.admit()? {
                let due = self.live.last().and_then(|live| live.due);
                self.clock = self.clock.max(due.map_or(0, |due| due.saturating_add(1)));
                self.report_overdue()?;
            }
        }
        Ok(())
    }

    fn reserve(&mut self) -> Checked {
        let expected = self.reference.reserve(self.clock);
        let got = self.machine.reserve(at(self.clock));
        self.hear()?;
        self.turns.asked += 1;
        match (got, expected) {
            (Ok(ticket), Some(call)) => {
                prop_assert_eq!(ticket.is_reservation(), call.reserved);
                self.keep(ticket, call)?;
            }
            (Err(refusal), None) => self.reference.check_refusal(refusal.retry_after)?,
            (got, expected) => return Err(TestCaseError::fail(format!("reservation: {got:?}, not {expected:?}"))),
        }
        self.check()
    }

    fn trip(&mut self) -> Checked {
        let expected = self
            .reference
            .trip_for(Cause::BadCalls { bad: 99, most: 95 }, self.clock);
        let got = self
            .machine
            .trip_for(TripReason::custom("disk", 99.0, 95.0), at(self.clock));
        self.hear()?;
        prop_assert_eq!(got, expected, "tripped");
        self.check()
    }

    fn reserve_trials(&mut self, keep: bool) -> Checked {
        let keepers = &mut self.reference.trial_reservations;
        *keepers = if keep { *keepers + 1 } else { keepers.saturating_sub(1) };
        self.machine.reserve_trials(keep);
        self.check()
    }

    fn ask_for_trial(&mut self) -> Checked {
        let expected = self.reference.admit_to_trial(self.clock);
        let got = self.machine.admit_to_trial(at(self.clock));
        self.hear()?;
        match (got, expected) {
            (Some(ticket), Some(call)) => {
                self.turns.asked += 1;
                self.turns.used += 1;
                self.keep(ticket, call)?;
            }
            (None, None) => {}
            (got, expected) => return Err(TestCaseError::fail(format!("trial: {got:?}, not {expected:?}"))),
        }
        self.check()
    }

    fn claim(&mut self, call: u8) -> Checked {
        let reservations: Vec<_> = (0..self.live.len())
            .filter(|index| self.live[*index].ticket.is_reservation())
            .collect();
        let Some(index) = usize::from(call)
            .checked_rem(reservations.len())
            .map(|pick| reservations[pick])
        else {
            return Ok(());
        };
        let now = at(self.clock);
        let live = &mut self.live[index];
        let expected = self.reference.claim(&mut live.call, self.clock);
        prop_assert_eq!(self.machine.claim(&mut live.ticket, now), expected, "redeemed");
        if expected {
            self.turns.used += u64::from(live.reserved_in == Some(self.turns.stage));
            live.ticket.start(now);
            live.call.started = Some(self.clock);
            let clock = self.clock;
            self.note_due(clock, index)?;
        }
        self.live[index].reserved_in = None;
        self.hear()?;
        self.check()
    }

    fn keep(&mut self, ticket: Ticket, mut call: Call) -> Checked {
        prop_assert_eq!(ticket.generation(), call.generation);
        let sampled = ticket.is_sampled();
        prop_assert!(self.reference.may_sample(&mut call, sampled), "sampled: {}", sampled);
        let limit = self
            .reference
            .slow_after()
            .map_or(Duration::ZERO, |slow_after| 2 * slow_after);
        self.longest_limit = self.longest_limit.max(limit);
        prop_assert!(self.machine.is_current(&ticket));
        self.live.push(Live {
            reserved_in: ticket.is_reservation().then_some(self.turns.stage),
            ticket,
            call,
            due: None,
            streaming_deadline: None,
            reported: false,
        });
        self.note_due(self.clock, self.live.len() - 1)
    }

    fn note_due(&mut self, clock: Nanos, index: usize) -> Checked {
        let live = &mut self.live[index];
        if !live.call.reserved {
            live.due = self.reference.due(&live.call, clock);
            prop_assert_eq!(live.ticket.due(at(clock)), live.due.map(at), "due");
        }
        Ok(())
    }

    fn end(&mut self, index: usize, ends: Ends) -> Checked {
        let completion = match ends {
            Ends::Good => Completion::Finished(Outcome::Success),
            Ends::Bad => Completion::Finished(Outcome::Failure),
            Ends::Ignored => Completion::Finished(Outcome::Ignored),
            Ends::Cancelled => Completion::Cancelled,
            Ends::Unused => Completion::Unused,
            Ends::Hangs => return Ok(()),
        };
        // A reserved call that hasn't been made has no answer to report.
        if matches!(completion, Completion::Finished(_)) && self.live[index].ticket.is_reservation() {
            return Ok(());
        }
        let Live {
            ticket,
            call,
            due,
            reported,
            ..
        } = self.live.remove(index);
        if reported {
            self.reference.learn(&call, completion, self.clock);
            self.machine.learn(&ticket, completion, at(self.clock));
            self.hear()?;
            // Its verdict is in, but for one thing that could not be known by then.
            if due.is_some() && ends == Ends::Bad && self.machine.is_current(&ticket) {
                self.reference.overdue_failed(&call, self.clock);
                self.machine.overdue_failed(at(self.clock));
                self.hear()?;
                self.check()?;
            }
            return Ok(());
        }
        let mut untouched = self.machine.clone();
        let _ = untouched.is_flowing(at(self.clock));
        let expected = self.reference.settle(&call, completion, self.clock);
        let got = self.machine.settle(ticket, completion, at(self.clock));
        prop_assert_eq!(got, expected, "settled");
        // Rule 1: whatever is stale changes nothing at all, but for what is learned of the latency.
        let teaches = self.reference.may_teach(&call) && ends == Ends::Good;
        if matches!(got, Settled::Stale | Settled::Unrecorded) && !teaches {
            prop_assert_eq!(format!("{:?}", self.machine), format!("{untouched:?}"));
        }
        self.hear()?;
        if matches!(got, Settled::Counted(_)) {
            self.check_that_nothing_should_trip()?;
        }
        self.check()
    }

    fn report_overdue(&mut self) -> Checked {
        loop {
            // As the breaker does: in the order of their due times, and only those that the machine
            // stands by.
            let time_is_up = |live: &&mut Live| {
                let up = live.due.or(live.streaming_deadline).is_some_and(|up| up < self.clock);
                up && !live.reported && self.machine.is_current(&live.ticket)
            };
            let next = self.live.iter_mut().filter(time_is_up);
            let Some(live) = next.min_by_key(|live| (live.due.is_none(), live.due, live.streaming_deadline)) else {
                return Ok(());
            };
            live.reported = true;
            match live.due {
                Some(due) => {
                    self.reference.overdue(&live.call, due, self.clock);
                    self.machine.overdue(at(due), at(self.clock));
                }
                None => {
                    self.reference.streaming(&live.call, self.clock);
                    self.machine.streaming(at(self.clock));
                }
            }
            self.hear()?;
            self.check_that_nothing_should_trip()?;
            self.check()?;
        }
    }

    fn reconsider(&mut self) -> Checked {
        self.reference.reconsider(self.clock);
        self.machine.evaluate(at(self.clock));
        self.hear()?;
        self.check()
    }

    fn ripen(&mut self, offset: i8) -> Checked {
        for _ in 0..60 {
            if self.reference.trips_at().is_some() || !self.admit()? {
                break;
            }
            self.end(self.live.len() - 1, Ends::Bad)?;
        }
        if let Some(ripe) = self.reference.trips_at() {
            self.clock = self.clock.max(ripe.saturating_add_signed(offset.into()));
            self.reconsider()?;
        }
        Ok(())
    }

    fn reconfigure(&mut self, plan: Plan) -> Checked {
        self.longest_limit = self.longest_limit.max(plan.longest_limit());
        let done = self.machine.reconfigure(plan.settings(), at(self.clock));
        self.reference.reconfigure(plan, self.clock);
        prop_assert_eq!(done, Ok(()));
        self.hear()?;
        self.check()
    }

    fn misconfigure(&mut self, mistake: Mistake) -> Checked {
        let mut settings = self.reference.plan.settings();
        match mistake {
            Mistake::NoTimeAtAll => settings.slow_after = Duration::ZERO.into(),
            Mistake::NotANumber => settings.open_duration = settings.open_duration.factor(f64::NAN),
            Mistake::StagesThatFall => {
                settings.recovery = tower_breaker::recovery::Recovery::gradual().stages([40, 20, 100]);
            }
            Mistake::NoPermittedCalls => settings.recovery = tower_breaker::recovery::Recovery::permitted_calls(0),
        }
        let before = format!("{:?}", self.machine);
        prop_assert!(self.machine.reconfigure(settings, at(self.clock)).is_err());
        prop_assert_eq!(format!("{:?}", self.machine), before);
        Ok(())
    }

    fn set_mode(&mut self, mode: Mode, ttl: Option<Duration>) -> Checked {
        self.reference.set_mode(mode, "by hand", ttl, self.clock);
        self.machine.set_mode(mode, "by hand".into(), ttl, at(self.clock));
        self.hear()?;
        self.check()
    }

    /// Rule 16: from any state.
    fn reset(&mut self) -> Checked {
        self.reference.reset(self.clock);
        self.machine.reset("by hand".into(), at(self.clock));
        let view = self.machine.view(at(self.clock));
        prop_assert_eq!(
            (view.state, view.mode, view.attempt),
            (State::Closed, Mode::Automatic, 0)
        );
        prop_assert!(view.last_trip.is_none() && view.policies.iter().all(|policy| policy.counts.calls == 0));
        self.hear()?;
        self.check()
    }

    /// Rule 14: reading changes nothing. And what is read is what the next call will find.
    fn look(&self, clock: Nanos) -> Checked {
        let before = format!("{:?}", self.machine);
        self.check_reading(clock)?;
        let mut seen = self.reference.clone();
        seen.catch_up(clock);
        if seen.transitions.is_empty() {
            seen.check_refusal(self.machine.refusal(at(clock)).retry_after)?;
        }
        prop_assert_eq!(self.machine.settings().slow_after, self.reference.plan.slow_after);
        self.check_reservations(clock)?;
        prop_assert_eq!(format!("{:?}", self.machine), before);
        Ok(())
    }

    /// A reservation holds for as long as it can be claimed.
    fn check_reservations(&self, clock: Nanos) -> Checked {
        let mut seen = self.reference.clone();
        seen.catch_up(clock);
        for live in &self.live {
            let holds = self.machine.is_valid(&live.ticket, at(clock));
            prop_assert_eq!(holds, seen.holds(&live.call), "holds");
        }
        Ok(())
    }

    /// Compares what both have to tell.
    fn hear(&mut self) -> Checked {
        let view = self.machine.view(at(self.clock));
        let is_learned = self.reference.plan.slow_after == SlowAfter::Learned;
        let slow_after = view.slow_after.filter(|_| is_learned);
        self.reference.estimator.pin(view.learned_p99, slow_after);
        let got = self.machine.take_transitions();
        let expected = std::mem::take(&mut self.reference.transitions);
        let matches = got.len() == expected.len() && got.iter().zip(&expected).all(|(got, expected)| expected.is(got));
        prop_assert!(matches, "transitions: {:?}, not {:?}", got, expected);
        for transition in got {
            self.transitions += 1;
            match transition {
                Transition::Opened { open_for, .. } => self.reference.pin_open_time(open_for),
                Transition::ShareChanged { .. } => {
                    self.turns = Turns {
                        stage: self.transitions,
                        ..Turns::default()
                    };
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check(&self) -> Checked {
        if self.hasty {
            return Ok(());
        }
        prop_assert_eq!(self.machine.generation(), self.reference.generation, "generation");
        prop_assert_eq!(self.machine.is_recording(), self.reference.mode != Mode::Disabled);
        prop_assert_eq!(self.machine.trips_at(), self.reference.trips_at().map(at), "ripe at");
        self.check_reading(self.clock)?;
        self.check_share()
    }

    fn check_reading(&self, clock: Nanos) -> Checked {
        let view = self.machine.view(at(clock));
        let mut seen = self.reference.clone();
        seen.catch_up(clock);
        prop_assert_eq!(self.machine.state(at(clock)), seen.state(), "state");
        prop_assert_eq!(view.state, seen.state(), "the view's state");
        prop_assert_eq!(view.mode, seen.mode);
        prop_assert_eq!(view.mode_reason.as_deref(), seen.mode_reason.as_deref());
        prop_assert_eq!(view.mode_reverts_at, seen.reverts_at.map(at));
        prop_assert_eq!(view.slow_after, seen.slow_after(), "slow after");
        prop_assert_eq!(view.learned_p99, seen.learned_p99(), "p99");
        prop_assert_eq!(&view.attempt, &self.reference.attempt.unwrap_or(0), "attempt");
        let same_trip = match (&view.last_trip, &seen.last_trip) {
            (Some(got), Some(cause)) => cause.is(got),
            (None, None) => true,
            _ => false,
        };
        prop_assert!(same_trip, "last trip: {:?}, not {:?}", view.last_trip, seen.last_trip);
        match view.state {
            State::Closed => prop_assert_eq!((view.retry_after, view.share), (None, 100)),
            _ => seen.check_refusal(view.retry_after)?,
        }
        // What time alone has changed is in the books only once somebody has written it down.
        if seen.transitions.is_empty() {
            Self::check_books(&view, &seen)?;
        }
        Ok(())
    }

    fn check_books(view: &View, seen: &Reference) -> Checked {
        prop_assert_eq!(view.generation, seen.generation);
        prop_assert_eq!(view.share, seen.share(), "share");
        prop_assert_eq!(view.lasted, Duration::from_nanos(seen.now - seen.since), "lasted");
        let Phase::Closed(closed) = &seen.phase else {
            prop_assert!(view.policies.is_empty());
            return Ok(());
        };
        let tallies = closed.tallies(seen.now);
        prop_assert_eq!(view.policies.len(), tallies.len());
        for ((reading, tally), memory) in view.policies.iter().zip(&tallies).zip(&closed.memories) {
            let policy = memory.policy.build();
            if policy.name() != "custom" {
                prop_assert_eq!(&reading.policy, &policy);
            }
            let same = tally.is(&reading.counts, &memory.policy, seen.now);
            prop_assert!(same, "{:?}: {:?}, not {:?}", policy, reading.counts, tally);
        }
        Ok(())
    }

    /// Rule 9: never more than its share, as an observer counts it.
    fn check_share(&self) -> Checked {
        let view = self.machine.view(at(self.clock));
        if view.state != State::HalfOpen {
            return Ok(());
        }
        let now = at(self.clock);
        let is_open = |live: &&Live| {
            let holds = !live.ticket.is_reservation() || self.machine.is_valid(&live.ticket, now);
            self.machine.is_current(&live.ticket) && holds && !live.reported
        };
        match &self.reference.plan.recovery.form {
            FormPlan::Gradual { .. } if view.share > 0 => {
                let in_stage = |live: &&Live| live.reserved_in == Some(self.turns.stage);
                let reserved = self.live.iter().filter(is_open).filter(in_stage).count() as u64;
                let turns = (self.turns.asked * u64::from(view.share)).div_ceil(100);
                prop_assert!(self.turns.used + reserved <= turns, "more than its share");
            }
            FormPlan::Gradual { .. } => prop_assert!(self.live.iter().filter(is_open).count() <= 1),
            FormPlan::Permitted { calls, .. } => {
                prop_assert!(self.live.iter().filter(is_open).count() <= *calls as usize);
            }
        }
        Ok(())
    }

    /// Rule 13: what is closed after an outcome has counts that trip no policy.
    fn check_that_nothing_should_trip(&self) -> Checked {
        let view = self.machine.view(at(self.clock));
        for reading in &view.policies {
            let trips = reading.trips();
            prop_assert!(trips.is_none(), "closed, in spite of {:?}", trips);
        }
        Ok(())
    }

    /// Rule 10: half-open ends, in bounded time and calls, if the primary goes on like this.
    pub(crate) fn leave_half_open(&mut self, ends: Ends) -> Checked {
        // Time goes on from where it stood still.
        self.clock = self.clock.max(self.reference.now);
        if !matches!(self.reference.phase, Phase::HalfOpen(_)) || self.clock > END_OF_TIME {
            return Ok(());
        }
        let mut calls = 0;
        let most = self.reference.plan.most_half_open_calls();
        while self.machine.state(at(self.clock)) == State::HalfOpen {
            calls += 1;
            prop_assert!(calls <= most, "half-open after {} more calls", calls);
            self.sleep(nanos(self.longest_limit) / 12 + 1);
            self.report_overdue()?;
            if self.admit()? {
                self.end(self.live.len() - 1, ends)?;
            }
        }
        Ok(())
    }
}
