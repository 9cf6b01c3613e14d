//! Two breakers that live through the same, at the same times: one tells an observer of each call, so that its machine takes every step
//! under the lock, at once; past the other's lock the calls of a healthy primary go by. Nobody should see a difference.

use std::time::Duration;

use proptest::{prelude::*, test_runner::TestCaseError};
use tower_breaker::{
    Breaker, CircuitBreakerLayer, Config, Event, Outcome, Permit, Snapshot,
    config::SlowAfter,
    observe::{Events, Observer},
    snapshot::Mode,
};

use crate::{
    handle::{Act, HandClock, Tale},
    op::Ends,
    plan::{Change, Plan, millis},
};

type Checked<T = ()> = Result<T, TestCaseError>;

pub(crate) struct Twins {
    told: Twin,
    passed: Twin,
    clock: HandClock,
    plan: Plan,
    /// Calls in the order in which they were let through: the same for both. `None` once they have ended.
    held: Vec<[Permit; 2]>,
    /// Whether all calls were timed.
    timed: bool,
}

struct Twin {
    breaker: Breaker,
    events: Events,
}

struct WantsCalls;

impl Observer for WantsCalls {
    fn on_event(&self, _: &Event) {}

    fn observes_calls(&self) -> bool {
        true
    }
}

impl Twin {
    fn new(config: Config, seed: u64, clock: &HandClock, told: bool) -> Self {
        let mut builder = CircuitBreakerLayer::builder()
            .config(config)
            .clock(clock.clone())
            .seed(seed);
        if told {
            builder = builder.observer(WantsCalls);
        }
        let breaker = builder.build().expect("a plan is valid").breaker().clone();
        Self {
            events: breaker.subscribe(),
            breaker,
        }
    }
}

impl Twins {
    pub(crate) fn play(tale: &Tale, seed: u64) -> Checked {
        let clock = HandClock::default();
        let config = tale.plan.config();
        let twin = |told| Twin::new(config.clone(), seed, &clock, told);
        let mut twins = Self {
            told: twin(true),
            passed: twin(false),
            clock: clock.clone(),
            plan: tale.plan.clone(),
            held: Vec::new(),
            timed: tale.plan.learns(),
        };
        clock.sleep(tale.starts_at);
        for (index, act) in tale.acts.iter().enumerate() {
            twins.step(act)?;
            twins.check_events()?;
            // To look tells the machine what has passed; so not always.
            if seed >> (index % 64) & 1 != 0 {
                twins.check()?;
            }
        }
        twins.held.clear();
        twins.check_events()?;
        twins.check()
    }

    fn step(&mut self, act: &Act) -> Checked {
        match act {
            Act::Acquire(calls) => (0..*calls).try_for_each(|_| self.acquire().map(drop))?,
            Act::End(call, ends) => {
                if let Some(index) = self.picked(*call) {
                    self.end(index, *ends);
                }
            }
            Act::EndAll(ends) => (0..self.held.len()).rev().for_each(|index| self.end(index, *ends)),
            Act::Answered(call) => self.tell(*call, Permit::answered),
            Act::AskForPause(call, pause) => self.tell(*call, |permit| permit.retry_after(*pause)),
            Act::Sleep(time) => self.sleep(*time),
            // Not to the nanosecond: the ledger sees to that.
            Act::SleepUntilDue { call, .. } => self.sleep(millis(u64::from(*call) * 5)),
            // A clock that goes back stands still under the lock only.
            Act::Back(_) => {}
            Act::Reconfigure(change) => self.reconfigure(change)?,
            Act::Retune(slow_afters) => {
                for slow_after in slow_afters {
                    self.acquire()?;
                    self.reconfigure(&Change::SlowAfter(*slow_after))?;
                }
            }
            Act::Teach(calls, takes) => {
                for _ in 0..*calls {
                    self.sleep(millis(60));
                    if self.acquire()? {
                        self.clock.sleep((*takes).min(millis(3000)));
                        self.end(self.held.len() - 1, Ends::Good);
                    }
                }
            }
            Act::SetMode(mode, ttl) => self.both(|breaker| match mode {
                Mode::ForcedOpen => breaker.force_open("by hand", *ttl),
                Mode::Disabled => breaker.disable("by hand", *ttl),
                Mode::Shadow => breaker.shadow("by hand", *ttl),
                _ => breaker.automatic("by hand"),
            }),
            Act::Reset => self.both(|breaker| breaker.reset("by hand")),
        }
        Ok(())
    }

    /// When a call is overdue is rounded, and not the same way once `slow_after` has changed: so it is the same only where it stays as it is.
    fn sleep(&mut self, time: Duration) {
        if self.plan.slow_after == SlowAfter::Learned {
            self.end_all();
        }
        self.clock.sleep(time);
    }

    fn end_all(&mut self) {
        while !self.held.is_empty() {
            self.end(0, Ends::Good);
        }
    }

    fn both(&self, act: impl Fn(&Breaker)) {
        act(&self.told.breaker);
        act(&self.passed.breaker);
    }

    fn picked(&self, call: u8) -> Option<usize> {
        usize::from(call).checked_rem(self.held.len())
    }

    fn acquire(&mut self) -> Checked<bool> {
        match (self.told.breaker.try_acquire(), self.passed.breaker.try_acquire()) {
            (Ok(told), Ok(passed)) => {
                self.held.push([told, passed]);
                Ok(true)
            }
            (Err(told), Err(passed)) => {
                prop_assert_eq!(told.retry_after(), passed.retry_after());
                Ok(false)
            }
            (told, passed) => Err(TestCaseError::fail(format!("{told:?}, but {passed:?}"))),
        }
    }

    fn end(&mut self, index: usize, ends: Ends) {
        for permit in self.held.remove(index) {
            match ends {
                Ends::Good => permit.record(Outcome::Success),
                Ends::Bad => permit.record(Outcome::Failure),
                Ends::Ignored => permit.record(Outcome::Ignored),
                Ends::Cancelled | Ends::Unused => drop(permit),
                Ends::Hangs => std::mem::forget(permit),
            }
        }
    }

    fn tell(&mut self, call: u8, news: impl Fn(&mut Permit)) {
        if let Some(index) = self.picked(call) {
            self.held[index].iter_mut().for_each(news);
        }
    }

    fn reconfigure(&mut self, change: &Change) -> Checked {
        let before = self.plan.learns();
        let plan = change.of(&self.plan);
        if !before && plan.learns() {
            // Nobody asked when calls came back, which then matters: a good call is taken for as late as it may have been.
            return Ok(());
        }
        let begins_anew = plan.slow_after != self.plan.slow_after;
        if begins_anew {
            self.end_all();
        }
        self.plan = plan;
        self.timed &= self.plan.learns();
        // Policies of a user's own are equal where they are the same.
        let config = self.plan.config();
        self.both(|breaker| breaker.reconfigure(config.clone()).expect("a plan is valid"));
        if begins_anew {
            self.both(|breaker| breaker.reset("to begin with other slots"));
        }
        Ok(())
    }

    fn check_events(&mut self) -> Checked {
        loop {
            let (told, passed) = (self.told.events.try_next(), self.passed.events.try_next());
            prop_assert_eq!(&told, &passed);
            if told.is_none() {
                return Ok(());
            }
        }
    }

    fn check(&self) -> Checked {
        let looked_at = |twin: &Twin| {
            let mut snapshot: Snapshot = twin.breaker.snapshot();
            if !self.timed {
                snapshot.totals.primary.latency = Duration::ZERO;
                snapshot.totals.primary.timed = 0;
            }
            snapshot
        };
        prop_assert_eq!(looked_at(&self.told), looked_at(&self.passed));
        Ok(())
    }
}
