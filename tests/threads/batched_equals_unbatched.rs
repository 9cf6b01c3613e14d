//! Compares two breakers that go through the same steps at the same times.
//!
//! The unbatched one has an observer that wants each call, so its machine takes every step under
//! the lock, at once. The batched one lets the calls of a healthy primary bypass its lock, and
//! reports them to its machine in batches. Callers and observers must not see a difference.

use std::time::Duration;

use proptest::{prelude::*, test_runner::TestCaseError};
use tower_breaker::{
    Breaker, CircuitBreakerLayer, Config, Event, Outcome, Permit, Snapshot,
    config::SlowAfter,
    observe::{Events, Observer},
    snapshot::Mode,
};

use crate::common::{
    clock::ManualClock,
    durations::ms,
    generated::{
        act::{Act, BreakerRun, Ends, breaker_runs},
        plan::{Change, Plan},
    },
};

type Checked<T = ()> = Result<T, TestCaseError>;

struct Pair {
    unbatched: Side,
    batched: Side,
    clock: ManualClock,
    plan: Plan,
    /// The calls in flight, in the order in which both breakers admitted them.
    held: Vec<[Permit; 2]>,
    /// Whether all calls were timed.
    timed: bool,
}

struct Side {
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

impl Side {
    fn new(config: Config, seed: u64, clock: &ManualClock, is_batched: bool) -> Self {
        let mut builder = CircuitBreakerLayer::builder()
            .config(config)
            .clock(clock.clone())
            .seed(seed);
        if !is_batched {
            builder = builder.observer(WantsCalls);
        }
        let breaker = builder.build().expect("a plan is valid").breaker().clone();
        Self {
            events: breaker.subscribe(),
            breaker,
        }
    }
}

impl Pair {
    fn play(run: &BreakerRun, seed: u64) -> Checked {
        let clock = ManualClock::default();
        let config = run.plan.config();
        let side = |is_batched| Side::new(config.clone(), seed, &clock, is_batched);
        let mut pair = Self {
            unbatched: side(false),
            batched: side(true),
            clock: clock.clone(),
            plan: run.plan.clone(),
            held: Vec::new(),
            timed: run.plan.learns(),
        };
        clock.advance(run.starts_at);
        for (index, act) in run.acts.iter().enumerate() {
            pair.step(act)?;
            pair.check_events()?;
            // To read reports what is batched so far, so this is not done at each step.
            if seed >> (index % 64) & 1 != 0 {
                pair.check()?;
            }
        }
        pair.held.clear();
        pair.check_events()?;
        pair.check()
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
            Act::Answered(call) => self.update(*call, Permit::answered),
            Act::AskForPause(call, pause) => self.update(*call, |permit| permit.note_retry_after(*pause)),
            Act::Sleep(time) => self.sleep(*time),
            // Not to the nanosecond: the model's ledger tests that.
            Act::SleepUntilDue { call, .. } => self.sleep(ms(u64::from(*call) * 5)),
            // Only under the lock does a clock that goes back stand still.
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
                    self.sleep(ms(60));
                    if self.acquire()? {
                        self.clock.advance((*takes).min(ms(3000)));
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

    /// Sleeps, after the calls in flight have ended where `slow_after` may change. The time at
    /// which a call is overdue is rounded, and another `slow_after` rounds it another way.
    fn sleep(&mut self, time: Duration) {
        if self.plan.slow_after == SlowAfter::Learned {
            self.end_all();
        }
        self.clock.advance(time);
    }

    fn end_all(&mut self) {
        while !self.held.is_empty() {
            self.end(0, Ends::Good);
        }
    }

    fn both(&self, act: impl Fn(&Breaker)) {
        act(&self.unbatched.breaker);
        act(&self.batched.breaker);
    }

    fn picked(&self, call: u8) -> Option<usize> {
        usize::from(call).checked_rem(self.held.len())
    }

    fn acquire(&mut self) -> Checked<bool> {
        match (self.unbatched.breaker.try_acquire(), self.batched.breaker.try_acquire()) {
            (Ok(unbatched), Ok(batched)) => {
                self.held.push([unbatched, batched]);
                Ok(true)
            }
            (Err(unbatched), Err(batched)) => {
                prop_assert_eq!(unbatched.retry_after(), batched.retry_after());
                Ok(false)
            }
            (unbatched, batched) => Err(TestCaseError::fail(format!("{unbatched:?}, but {batched:?}"))),
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

    fn update(&mut self, call: u8, change: impl Fn(&mut Permit)) {
        if let Some(index) = self.picked(call) {
            self.held[index].iter_mut().for_each(change);
        }
    }

    fn reconfigure(&mut self, change: &Change) -> Checked {
        let before = self.plan.learns();
        let plan = change.of(&self.plan);
        if !before && plan.learns() {
            // The batched breaker has not timed the calls in flight, and takes a good call for as
            // late as it may have been.
            return Ok(());
        }
        let begins_anew = plan.slow_after != self.plan.slow_after;
        if begins_anew {
            self.end_all();
        }
        self.plan = plan;
        self.timed &= self.plan.learns();
        // A user's own policy equals itself only, so both breakers get the same one.
        let config = self.plan.config();
        self.both(|breaker| breaker.reconfigure(config.clone()).expect("a plan is valid"));
        if begins_anew {
            self.both(|breaker| breaker.reset("to begin with other slots"));
        }
        Ok(())
    }

    fn check_events(&mut self) -> Checked {
        loop {
            let (unbatched, batched) = (self.unbatched.events.try_next(), self.batched.events.try_next());
            prop_assert_eq!(&unbatched, &batched);
            if unbatched.is_none() {
                return Ok(());
            }
        }
    }

    fn check(&self) -> Checked {
        let read = |side: &Side| {
            let mut snapshot: Snapshot = side.breaker.snapshot();
            if !self.timed {
                snapshot.totals.primary.latency = Duration::ZERO;
                snapshot.totals.primary.timed = 0;
            }
            snapshot
        };
        prop_assert_eq!(read(&self.unbatched), read(&self.batched));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn calls_that_bypass_the_lock_lead_to_the_same(run in breaker_runs(), seed: u64) {
        Pair::play(&run, seed)?;
    }
}
