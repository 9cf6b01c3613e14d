//! What may happen to a breaker and its calls, as data that shrinks and prints well.

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*, sample::select};
use tower_breaker::{config::SlowAfter, snapshot::Mode};

use super::plan::{Change, Plan, changes, plans, slow_afters};
use crate::common::durations::ms;

/// One step. A number picks among the permits that are held, modulo how many.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Acquire(u8),
    /// Its end: [`Ends::Hangs`] is `mem::forget`, and where it isn't recorded, it is dropped.
    End(u8, Ends),
    EndAll(Ends),
    Answered(u8),
    AskForPause(u8, Duration),
    Sleep(Duration),
    /// Until a call is due: a nanosecond before, then, or one after; or as long after as it takes
    /// to be noticed.
    SleepUntilDue {
        call: u8,
        offset: i8,
        noticed: bool,
    },
    Back(Duration),
    Reconfigure(Change),
    /// A call, then another `slow_after`; and again.
    Retune(Vec<SlowAfter>),
    /// So many good calls, one after the other, that take so long.
    Teach(u8, Duration),
    SetMode(Mode, Option<Duration>),
    Reset,
}

/// The steps that one breaker goes through.
#[derive(Clone, Debug)]
pub(crate) struct BreakerRun {
    pub(crate) plan: Plan,
    /// A clock that goes back blurs what is slow; in most runs it doesn't.
    pub(crate) steady: bool,
    pub(crate) starts_at: Duration,
    pub(crate) acts: Vec<Act>,
    pub(crate) then: Ends,
}

pub(crate) fn breaker_runs() -> impl Strategy<Value = BreakerRun> {
    let steady = prop::bool::weighted(0.8);
    (plans(), steady, starts(), vec(acts(), 1..60), all_ends()).prop_map(|(plan, steady, starts_at, acts, then)| {
        BreakerRun {
            plan,
            steady,
            starts_at,
            acts,
            then,
        }
    })
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => prop_oneof![3 => Just(1), 2 => 2_u8..12].prop_map(Act::Acquire),
        12 => (any::<u8>(), ends()).prop_map(|(call, ends)| Act::End(call, ends)),
        3 => ends().prop_map(Act::EndAll),
        2 => any::<u8>().prop_map(Act::Answered),
        1 => (any::<u8>(), sleeps()).prop_map(|(call, pause)| Act::AskForPause(call, pause)),
        8 => sleeps().prop_map(Act::Sleep),
        8 => (any::<u8>(), -1_i8..=1, any::<bool>())
            .prop_map(|(call, offset, noticed)| Act::SleepUntilDue { call, offset, noticed }),
        1 => sleeps().prop_map(Act::Back),
        2 => changes().prop_map(Act::Reconfigure),
        2 => vec(slow_afters(), 1..4).prop_map(Act::Retune),
        1 => (1_u8..140, sleeps()).prop_map(|(calls, takes)| Act::Teach(calls, takes)),
        2 => (modes(), option::of(sleeps())).prop_map(|(mode, ttl)| Act::SetMode(mode, ttl)),
        1 => Just(Act::Reset),
    ]
}

/// Ends of calls, bad ones more often.
fn ends() -> impl Strategy<Value = Ends> {
    select(vec![
        Ends::Good,
        Ends::Bad,
        Ends::Bad,
        Ends::Ignored,
        Ends::Cancelled,
        Ends::Hangs,
    ])
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Good,
    Bad,
    Ignored,
    Cancelled,
    Unused,
    /// Never.
    Hangs,
}

/// Where time begins: somewhere, or near its end.
pub(crate) fn starts() -> impl Strategy<Value = Duration> {
    prop_oneof![
        6 => Just(Duration::ZERO),
        3 => (0_u64..100_000_000_000).prop_map(Duration::from_nanos),
        1 => select(vec![Duration::from_nanos(u64::MAX - 9_000_000_000), Duration::MAX]),
    ]
}

pub(crate) fn all_ends() -> impl Strategy<Value = Ends> {
    select(vec![
        Ends::Good,
        Ends::Bad,
        Ends::Ignored,
        Ends::Cancelled,
        Ends::Unused,
        Ends::Hangs,
    ])
}

pub(crate) fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![
        3 => Just(Mode::Automatic),
        2 => Just(Mode::ForcedOpen),
        1 => Just(Mode::Disabled),
        2 => Just(Mode::Shadow),
    ]
}

/// Between two calls.
pub(crate) fn pauses() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => select(vec![100, 0, 1, 20, 50, 333]).prop_map(ms),
        1 => (0_u64..500_000_000).prop_map(Duration::from_nanos),
    ]
}

pub(crate) fn sleeps() -> impl Strategy<Value = Duration> {
    prop_oneof![
        80 => select(vec![500, 0, 1, 50, 250, 1000, 3000, 10_000, 61_000]).prop_map(ms),
        40 => (0_u64..3_000_000_000).prop_map(Duration::from_nanos),
        10 => (0_u64..100_000).prop_map(Duration::from_secs),
        1 => Just(Duration::MAX),
    ]
}
