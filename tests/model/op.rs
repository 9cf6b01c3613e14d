//! What may happen to a machine, as data that shrinks and prints well.

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*, sample::select};
use tower_breaker::snapshot::Mode;

use crate::common::{
    durations::ms,
    generated::{
        act::{Ends, all_ends, modes, pauses, sleeps, starts},
        plan::{Change, Plan, changes, plans},
    },
};

/// One step of a sequence. A number picks among what there is, modulo how much there is.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Traffic(Traffic),
    /// Many good calls, of which not each is looked at closely.
    Teach(Traffic),
    /// Bad calls, until it opens.
    Break,
    /// Waits for the end of the open time, then makes good calls until the share is as large.
    Recover {
        share: u8,
        every: Duration,
    },
    /// So many calls at once, left in flight.
    Ask(u8),
    /// A call that waits for the primary's readiness first.
    AskAndWait,
    StartWaiting(u8),
    /// The answer is in, and goes on.
    Answer(u8),
    /// A call that is given up after as long as few calls take: a nanosecond before that, then, or
    /// one after.
    GiveUp(i8),
    /// A bad answer that asks for a pause.
    AskForPause(Duration),
    /// So many calls one after the other, all of which turn out to hang.
    Hang {
        calls: u8,
        every: Duration,
    },
    /// So many calls that were overdue fail at last.
    FailLate(u8),
    Finish(u8, Ends),
    FinishAll(Ends),
    /// So many reservations at once.
    Reservation(u8),
    /// A reservation, and right after it so many good calls of others.
    ReservationAmidTraffic(u8),
    Redeem(u8),
    ReportOverdue,
    /// Looks whether the evidence has lasted long enough.
    Reconsider,
    /// Bad calls at once, until the evidence only has to last; then looks a nanosecond before that,
    /// at it, or one after.
    Ripen(i8),
    Sleep(Duration),
    /// Sleeps until a moment at which something may change: one nanosecond before, at it, or one
    /// after.
    SleepUntil {
        moment: u8,
        offset: i8,
    },
    /// The clock goes back.
    Back(Duration),
    Reconfigure(Change),
    Misconfigure(Mistake),
    SetMode(Mode, Option<Duration>),
    /// For a reason that the calls don't tell.
    Trip,
    /// Keeps callers out of trials, or lets them in again.
    KeepTrials(bool),
    /// Asks for so many calls of the trial, as one who is no caller.
    AskForTrial(u8),
    Reset,
    /// Looks at it as it will be after this long.
    Look(Duration),
}

/// Calls one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    pub(crate) calls: u8,
    pub(crate) every: Duration,
    pub(crate) takes: Duration,
    pub(crate) ends: Ends,
    /// Stops at the first transition.
    pub(crate) until_change: bool,
}

/// A setting that is out of range.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mistake {
    NoTimeAtAll,
    NotANumber,
    StagesThatFall,
    NoPermittedCalls,
}

/// A sequence, and how it goes on once it has come to half-open.
#[derive(Clone, Debug)]
pub(crate) struct MachineRun {
    pub(crate) plan: Plan,
    /// What the clock says at first.
    pub(crate) starts_at: Duration,
    /// Whether overdue calls are reported before each step, or only when a step says so.
    pub(crate) prompt: bool,
    pub(crate) ops: Vec<Op>,
    pub(crate) then: Ends,
}

pub(crate) fn machine_runs() -> impl Strategy<Value = MachineRun> {
    (plans(), starts(), any::<bool>(), vec(ops(), 1..40), all_ends()).prop_map(
        |(plan, starts_at, prompt, ops, then)| MachineRun {
            plan,
            starts_at,
            prompt,
            ops,
            then,
        },
    )
}

fn ops() -> impl Strategy<Value = Op> {
    let traffic_and_time = prop_oneof![
        8 => traffic().prop_map(Op::Traffic),
        4 => lessons().prop_map(Op::Teach),
        4 => Just(Op::Break),
        8 => (select(vec![100, 0, 20, 40, 50, 80]), pauses()).prop_map(|(share, every)| Op::Recover { share, every }),
        4 => sleeps().prop_map(Op::Sleep),
        8 => (any::<u8>(), -1_i8..=1).prop_map(|(moment, offset)| Op::SleepUntil { moment, offset }),
        1 => sleeps().prop_map(Op::Back),
        2 => sleeps().prop_map(Op::Look),
    ];
    let calls = prop_oneof![
        4 => (1_u8..20).prop_map(Op::Ask),
        1 => Just(Op::AskAndWait),
        1 => any::<u8>().prop_map(Op::StartWaiting),
        2 => any::<u8>().prop_map(Op::Answer),
        3 => (-1_i8..=1).prop_map(Op::GiveUp),
        3 => sleeps().prop_map(Op::AskForPause),
        2 => (1_u8..6, pauses()).prop_map(|(calls, every)| Op::Hang { calls, every }),
        2 => (1_u8..6).prop_map(Op::FailLate),
        8 => (any::<u8>(), all_ends()).prop_map(|(call, ends)| Op::Finish(call, ends)),
        2 => all_ends().prop_map(Op::FinishAll),
        4 => (1_u8..5).prop_map(Op::Reservation),
        3 => (1_u8..30).prop_map(Op::ReservationAmidTraffic),
        4 => any::<u8>().prop_map(Op::Redeem),
        2 => Just(Op::ReportOverdue),
        5 => Just(Op::Reconsider),
        1 => (-1_i8..=1).prop_map(Op::Ripen),
    ];
    let operators = prop_oneof![
        4 => changes().prop_map(Op::Reconfigure),
        1 => select(vec![
            Mistake::NoTimeAtAll,
            Mistake::NotANumber,
            Mistake::StagesThatFall,
            Mistake::NoPermittedCalls,
        ])
        .prop_map(Op::Misconfigure),
        2 => (modes(), option::of(sleeps())).prop_map(|(mode, ttl)| Op::SetMode(mode, ttl)),
        2 => Just(Op::Trip),
        2 => any::<bool>().prop_map(Op::KeepTrials),
        4 => (1_u8..4).prop_map(Op::AskForTrial),
        1 => Just(Op::Reset),
    ];
    prop_oneof![8 => traffic_and_time, 7 => calls, 2 => operators]
}

fn traffic() -> impl Strategy<Value = Traffic> {
    (
        prop_oneof![4 => 1_u8..30, 1 => 30_u8..=120],
        pauses(),
        prop_oneof![4 => Just(Duration::ZERO), 2 => pauses()],
        prop_oneof![3 => Just(Ends::Good), 4 => Just(Ends::Bad), 4 => all_ends()],
        any::<bool>(),
    )
        .prop_map(|(calls, every, takes, ends, until_change)| Traffic {
            calls,
            every,
            takes,
            ends,
            until_change,
        })
}

/// Good calls, enough to learn from.
fn lessons() -> impl Strategy<Value = Traffic> {
    let every = select(vec![60, 30, 100, 5000, 20_000]).prop_map(ms);
    let takes = prop_oneof![
        2 => select(vec![40, 0, 1, 500, 3000]).prop_map(ms),
        1 => (0_u64..2_000_000_000).prop_map(Duration::from_nanos),
    ];
    (prop_oneof![2 => 64_u8..=80, 1 => 1_u8..=200], every, takes).prop_map(|(calls, every, takes)| Traffic {
        calls,
        every,
        takes,
        ends: Ends::Good,
        until_change: false,
    })
}
