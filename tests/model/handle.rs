//! The breaker's handle under random timings, against a ledger in which each call has one line.

use std::time::Duration;

use proptest::{prelude::*, test_runner::TestCaseError};
use tower_breaker::{
    Breaker, CircuitBreakerLayer, Outcome, Permit, State,
    clock::Clock,
    config::CancelledCalls,
    observe::{Events, Transition},
    snapshot::{CallTotals, Mode, Snapshot},
};

use crate::{
    common::{
        clock::ManualClock,
        durations::ms,
        generated::{
            act::{Act, BreakerRun, Ends},
            plan::{Change, Plan},
        },
    },
    reference::{END_OF_TIME, Nanos, nanos},
};

type Checked<T = ()> = Result<T, TestCaseError>;

/// Whether a call has been counted as slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slow {
    No,
    /// It may have been: the rounding of its due time decides, or whether it was found before the
    /// breaker tripped.
    Maybe,
    Yes,
}

/// A call's line in the ledger.
struct Line {
    /// `None` once it was forgotten.
    permit: Option<Permit>,
    generation: u64,
    /// Whether calls were recorded when it began.
    recorded: bool,
    started: Nanos,
    /// Whether it has to be timed: not all calls are where none is slow.
    timed: bool,
    slow_after: Option<Nanos>,
    /// When it has to end, if it is to be on time.
    due: Option<Nanos>,
    answered: Option<Nanos>,
    slow: Slow,
}

pub(crate) struct Handle {
    breaker: Breaker,
    clock: ManualClock,
    steady: bool,
    /// The latest time that the breaker has read.
    latest: Nanos,
    plan: Plan,
    lines: Vec<Line>,
    /// Calls that have ended, and were slow or may have been.
    ended_slow: u64,
    ended_maybe_slow: u64,
    /// The longest time limit of a watched call, and whether there was another.
    longest_limit: Nanos,
    limits_differ: bool,
    events: Events,
    sequence: u64,
    generation: u64,
}

impl Handle {
    pub(crate) fn play(run: &BreakerRun, seed: u64) -> Checked {
        let clock = ManualClock::default();
        let layer = CircuitBreakerLayer::builder()
            .config(run.plan.config())
            .clock(clock.clone())
            .seed(seed)
            .build()
            .expect("a plan is valid");
        let breaker = layer.breaker().clone();
        clock.advance(run.starts_at);
        let mut handle = Self {
            events: breaker.subscribe(),
            breaker,
            clock,
            steady: run.steady,
            latest: 0,
            plan: run.plan.clone(),
            lines: Vec::new(),
            ended_slow: 0,
            ended_maybe_slow: 0,
            longest_limit: 0,
            limits_differ: false,
            sequence: 0,
            generation: 1,
        };
        for act in &run.acts {
            handle.step(act)?;
        }
        handle.leave_half_open(run.then)
    }

    fn now(&self) -> Nanos {
        nanos(self.clock.now())
    }

    fn set(&self, now: Nanos) {
        self.clock.set(Duration::from_nanos(now));
    }

    fn step(&mut self, act: &Act) -> Checked {
        match act {
            Act::Acquire(calls) => (0..*calls).try_for_each(|_| self.acquire().map(drop)),
            Act::End(call, ends) => match self.held(*call) {
                Some(index) => self.end(index, *ends),
                None => Ok(()),
            },
            Act::EndAll(ends) => (0..self.lines.len()).rev().try_for_each(|index| self.end(index, *ends)),
            Act::Answered(call) => self.answered(*call),
            Act::AskForPause(call, pause) => match self.held(*call) {
                Some(index) => self.tell(index, |permit| permit.note_retry_after(*pause)),
                None => Ok(()),
            },
            Act::Sleep(time) => {
                self.clock.advance(*time);
                Ok(())
            }
            Act::SleepUntilDue { call, offset, noticed } => {
                self.sleep_until_due(*call, *offset, *noticed);
                Ok(())
            }
            Act::Back(_) if self.steady => Ok(()),
            Act::Back(time) => {
                self.set(self.now().saturating_sub(nanos(*time)));
                Ok(())
            }
            Act::Reconfigure(change) => self.reconfigure(change),
            Act::Retune(slow_afters) => slow_afters.iter().try_for_each(|slow_after| {
                self.acquire()?;
                self.reconfigure(&Change::SlowAfter(*slow_after))
            }),
            Act::Teach(calls, takes) => (0..*calls).try_for_each(|_| {
                self.clock.advance(ms(60));
                if self.acquire()? {
                    self.clock.advance((*takes).min(ms(3000)));
                    self.end(self.lines.len() - 1, Ends::Good)?;
                }
                Ok(())
            }),
            Act::SetMode(mode, ttl) => self.update(|handle| match mode {
                Mode::ForcedOpen => handle.breaker.force_open("by hand", *ttl),
                Mode::Disabled => handle.breaker.disable("by hand", *ttl),
                Mode::Shadow => handle.breaker.shadow("by hand", *ttl),
                _ => handle.breaker.automatic("by hand"),
            }),
            Act::Reset => self.update(|handle| handle.breaker.reset("by hand")),
        }
    }

    fn reconfigure(&mut self, change: &Change) -> Checked {
        self.plan = change.of(&self.plan);
        self.update(|handle| handle.breaker.reconfigure(handle.plan.config()))?
            .map_err(|error| TestCaseError::fail(error.to_string()))
    }

    fn held(&self, call: u8) -> Option<usize> {
        let held: Vec<_> = (0..self.lines.len())
            .filter(|index| self.lines[*index].permit.is_some())
            .collect();
        usize::from(call).checked_rem(held.len()).map(|pick| held[pick])
    }

    fn sleep_until_due(&mut self, call: u8, offset: i8, noticed: bool) {
        let waiting = |line: &Line| line.due.filter(|due| *due > self.now() && line.slow == Slow::No);
        let dues: Vec<_> = self.lines.iter().filter_map(waiting).collect();
        if let Some(pick) = usize::from(call).checked_rem(dues.len()) {
            let rounding = if noticed { self.longest_limit / 32 } else { 0 };
            self.set(dues[pick].saturating_add(rounding).saturating_add_signed(offset.into()));
        }
    }

    fn acquire(&mut self) -> Checked<bool> {
        let before = self.breaker.snapshot();
        let acquired = self.update(|handle| handle.breaker.try_acquire())?;
        let after = self.breaker.snapshot();
        let refused = after.totals.refused - before.totals.refused;
        prop_assert_eq!(refused, u64::from(acquired.is_err()), "refused");
        let Ok(permit) = acquired else {
            return Ok(false);
        };
        let slow_after = after.slow_after.map(nanos);
        let lease = (after.state == State::HalfOpen).then(|| self.lease(&after));
        let limit = slow_after.into_iter().chain(lease).min();
        if let Some(limit) = limit {
            self.limits_differ |= self.longest_limit != 0 && self.longest_limit != limit;
            self.longest_limit = self.longest_limit.max(limit);
        }
        self.lines.push(Line {
            permit: Some(permit),
            generation: after.generation,
            recorded: after.mode != Mode::Disabled,
            started: self.latest,
            timed: self.plan.learns(),
            slow_after,
            due: limit.map(|limit| self.latest.saturating_add(limit)),
            answered: None,
            slow: Slow::No,
        });
        self.check()?;
        Ok(true)
    }

    fn lease(&self, snapshot: &Snapshot) -> Nanos {
        let growth = Duration::from_secs_f64(1.5_f64.powf(snapshot.attempt.into()).min(60.0));
        let lease = match (self.plan.recovery.probe_timeout, snapshot.slow_after) {
            (Some(timeout), _) => timeout,
            (None, Some(slow_after)) => (2 * slow_after).max(Duration::from_secs(1)),
            (None, None) => growth,
        };
        nanos(lease)
    }

    fn answered(&mut self, call: u8) -> Checked {
        let Some(index) = self.held(call) else {
            return Ok(());
        };
        self.tell(index, Permit::answered)?;
        let now = self.now();
        let line = &mut self.lines[index];
        line.answered.get_or_insert(now);
        line.due = None;
        Ok(())
    }

    /// A call ends, and is found in one total: the one that its end belongs to, or `stale`.
    fn end(&mut self, index: usize, ends: Ends) -> Checked {
        let Some(permit) = self.lines[index].permit.take() else {
            return Ok(());
        };
        let before = self.breaker.snapshot();
        if ends == Ends::Hangs {
            std::mem::forget(permit);
            return self.check();
        }
        let settled = self.update(|_| match ends {
            Ends::Good => permit.record(Outcome::Success),
            Ends::Bad => permit.record(Outcome::Failure),
            Ends::Ignored => permit.record(Outcome::Ignored),
            _ => drop(permit),
        });
        // The line is gone with the call.
        let line = self.lines.remove(index);
        settled?;
        let after = self.breaker.snapshot();
        let was_stale = before.generation != line.generation;
        let is_stale = after.generation != line.generation;
        let moved = difference(&before.totals.primary, &after.totals.primary);
        let expected = |stale: bool| {
            let mut expected = [0; 5];
            let total = match ends {
                _ if stale => 4,
                Ends::Good => 0,
                Ends::Bad => 1,
                Ends::Ignored => 2,
                _ => 3,
            };
            expected[total] = u64::from(line.recorded);
            expected
        };
        let fits = moved == expected(was_stale) || moved == expected(is_stale);
        prop_assert!(fits, "it ended as [good, bad, ignored, cancelled, stale] = {:?}", moved);
        self.note_slow_end(&line, ends, &before, is_stale);
        self.check_latency(&line, ends, &before.totals.primary, &after.totals.primary)?;
        self.check()
    }

    fn note_slow_end(&mut self, line: &Line, ends: Ends, before: &Snapshot, is_stale: bool) {
        let was_stale = before.generation != line.generation;
        let took = line.answered.unwrap_or(self.latest).saturating_sub(line.started);
        let took_too_long = line.slow_after.is_some_and(|limit| took > limit);
        let for_most = before.learned_p99.is_some_and(|p99| took > nanos(p99 * 3 / 2));
        let judged = match (ends, self.plan.cancelled) {
            (Ends::Good | Ends::Bad, _) | (Ends::Cancelled | Ends::Unused, CancelledCalls::Failure) => took_too_long,
            (Ends::Cancelled | Ends::Unused, CancelledCalls::SlowIfOverdue) => took_too_long || for_most,
            _ => false,
        };
        let slow = match line.slow {
            Slow::Yes => Slow::Yes,
            _ if !line.recorded => Slow::No,
            slow if was_stale || !judged => slow,
            // It may have tripped in between; its answer may have gone on for so long that it was
            // good enough; or its age is unknown.
            _ if is_stale || line.answered.is_some() || !line.timed => Slow::Maybe,
            _ => Slow::Yes,
        };
        self.ended_slow += u64::from(slow == Slow::Yes);
        self.ended_maybe_slow += u64::from(slow == Slow::Maybe);
    }

    fn check_latency(&self, line: &Line, ends: Ends, before: &CallTotals, after: &CallTotals) -> Checked {
        let came_back = line.recorded && matches!(ends, Ends::Good | Ends::Bad | Ends::Ignored);
        let timed = after.timed - before.timed;
        if line.timed || !came_back {
            prop_assert_eq!(timed, u64::from(came_back), "timed");
        }
        let end = line.answered.unwrap_or(self.now());
        let latency = Duration::from_nanos(end.saturating_sub(line.started));
        if timed > 0 && self.steady {
            prop_assert_eq!(after.latency - before.latency, latency);
        }
        Ok(())
    }

    fn tell(&mut self, index: usize, news: impl FnOnce(&mut Permit)) -> Checked {
        self.update(|handle| {
            news(handle.lines[index].permit.as_mut().expect("it is held"));
            // Whether that was of any interest or not, time has gone on.
            handle.breaker.reconfigure(handle.plan.config())
        })?
        .map_err(|error| TestCaseError::fail(error.to_string()))
    }

    /// Does something to the breaker, and notes which calls that finds overdue.
    fn update<R>(&mut self, change: impl FnOnce(&mut Self) -> R) -> Checked<R> {
        let generation = self.breaker.snapshot().generation;
        let result = change(self);
        let now = self.now();
        self.latest = self.latest.max(now);
        let tripped = self.breaker.snapshot().generation != generation;
        for line in &mut self.lines {
            let Some(due) = line.due.filter(|due| *due < now) else {
                continue;
            };
            let watched = line.recorded && line.generation == generation && line.slow != Slow::Yes;
            if !watched {
                continue;
            }
            let rounding = match self.limits_differ {
                true => self.longest_limit / 16,
                false => self.longest_limit / 32,
            };
            line.slow = match due.saturating_add(rounding) < now && !tripped {
                true => Slow::Yes,
                false => Slow::Maybe,
            };
        }
        self.check_events()?;
        Ok(result)
    }

    fn check(&mut self) -> Checked {
        let snapshot = self.breaker.snapshot();
        let totals = &snapshot.totals.primary;
        prop_assert_eq!(snapshot.in_flight, self.lines.len() as u64, "in flight");
        let recorded = self.lines.iter().filter(|line| line.recorded).count() as u64;
        let ended: u64 = difference(&CallTotals::default(), totals).iter().sum();
        prop_assert_eq!(totals.calls, ended + recorded, "each call has one end: {:?}", totals);
        prop_assert!(totals.slow <= totals.calls, "more slow calls than calls: {:?}", totals);
        let count = |slow: Slow| self.lines.iter().filter(|line| line.slow == slow).count() as u64;
        let surely = self.ended_slow + count(Slow::Yes);
        let at_most = surely + self.ended_maybe_slow + count(Slow::Maybe);
        let range = if self.steady {
            surely..=at_most
        } else {
            0..=totals.calls
        };
        prop_assert!(range.contains(&totals.slow), "{} slow, not {:?}", totals.slow, range);
        prop_assert_eq!(snapshot.totals.backup, CallTotals::default());
        Ok(())
    }

    /// Rule 15: numbered in order, each with the generation that it began or happened in.
    fn check_events(&mut self) -> Checked {
        while let Some(event) = self.events.try_next() {
            prop_assert_eq!(event.sequence, self.sequence);
            self.sequence += 1;
            let began = match event.transition {
                Transition::Opened { .. } | Transition::ModeChanged { .. } | Transition::Reset { .. } => true,
                Transition::Reconfigured => event.generation > self.generation,
                _ => false,
            };
            self.generation += u64::from(began);
            prop_assert_eq!(event.generation, self.generation, "{:?}", event);
        }
        prop_assert_eq!(self.breaker.snapshot().generation, self.generation);
        Ok(())
    }

    /// Rule 10: half-open ends, with only the breaker to notice the calls that hang.
    fn leave_half_open(&mut self, ends: Ends) -> Checked {
        self.set(self.latest.max(self.now()));
        if self.now() > END_OF_TIME {
            return Ok(());
        }
        let learned = self.breaker.snapshot().slow_after.unwrap_or_default() * 2;
        let limits = [
            self.plan.longest_limit(),
            Duration::from_nanos(self.longest_limit),
            learned,
        ];
        let longest_limit = limits.into_iter().max().expect("there are three");
        let mut calls = 0;
        while self.breaker.state() == State::HalfOpen {
            let most = self.plan.most_half_open_calls();
            calls += 1;
            prop_assert!(calls <= most, "half-open after {} more calls", calls);
            self.clock.advance(longest_limit / 12);
            if self.acquire()? {
                self.end(self.lines.len() - 1, ends)?;
            }
        }
        self.check()
    }
}

fn difference(before: &CallTotals, after: &CallTotals) -> [u64; 5] {
    [
        after.succeeded - before.succeeded,
        after.failed - before.failed,
        after.ignored - before.ignored,
        after.cancelled - before.cancelled,
        after.stale - before.stale,
    ]
}
