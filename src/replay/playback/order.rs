//! Puts the calls of a trace into the order in which a breaker saw them.
//!
//! Each call becomes two to four steps: it is admitted, may start later, may be answered before its
//! end, and ends. A recorded trace numbers these steps. Otherwise time orders them, and ties are
//! broken by [`SortKey`].

use crate::{
    observe::Completion,
    replay::trace::{Call, Trace},
};

/// A step of a replay: something that the breaker sees, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// In nanoseconds since the trace's epoch.
    pub(crate) at: u64,
    pub(crate) event: StepEvent,
}

/// An event that the breaker sees. Calls are given by their index in the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepEvent {
    /// The breaker re-evaluates its state.
    Evaluate,
    /// A call arrives: the breaker admits or refuses it.
    Admit(u32),
    /// A call that waited for the primary's readiness starts.
    Start(u32),
    /// A call has its answer, but goes on.
    Answer(u32),
    /// A call ends.
    End(u32),
}

/// A key by which steps are sorted, most significant field first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SortKey {
    /// The recorded breaker's number of the step, or 0 if it is unknown.
    step: u64,
    at: u64,
    /// At equal times, calls that started earlier end first. Then each row follows with its steps.
    starts_now: bool,
    row: u32,
    /// The number of the step within its row.
    nth: u8,
}

/// Returns the steps of one key, or of all calls for `None`, in the breaker's order.
///
/// If each row has the recorded breaker's number, these numbers decide, because threads that read
/// the clock at once may be admitted in another order. Otherwise, or if the numbers contradict each
/// other, time decides.
pub(crate) fn steps_of(trace: &Trace, key: Option<u32>) -> Vec<Step> {
    let is_of_key = |other: u32| key.is_none_or(|key| key == other);
    let mut steps = Vec::with_capacity(2 * trace.calls.len());
    for row in trace.evaluations.iter().filter(|row| is_of_key(row.key)) {
        let sort_key = SortKey {
            step: row.step,
            at: row.at,
            starts_now: true,
            row: row.row,
            nth: 0,
        };
        steps.push((sort_key, StepEvent::Evaluate));
    }
    for (call, index) in trace.calls.iter().zip(0..) {
        if is_of_key(call.key) {
            push_steps(call, index, &mut steps);
        }
    }
    let one_breaker = key.is_some() || trace.keys.len() <= 1;
    if one_breaker && steps.iter().all(|(sort_key, _)| sort_key.step > 0) {
        steps.sort_unstable_by_key(|(sort_key, _)| *sort_key);
        if steps.is_sorted_by(|(a, _), (b, _)| a.step < b.step || a.row == b.row) {
            return steps.into_iter().map(to_step).collect();
        }
        // Two rows share a number: the file holds two recordings.
    }
    for (sort_key, _) in &mut steps {
        sort_key.step = 0;
    }
    steps.sort_unstable_by_key(|(sort_key, _)| *sort_key);
    steps.into_iter().map(to_step).collect()
}

fn to_step((sort_key, event): (SortKey, StepEvent)) -> Step {
    Step { at: sort_key.at, event }
}

fn push_steps(call: &Call, index: u32, steps: &mut Vec<(SortKey, StepEvent)>) {
    let (waited, lasted) = (call.waited(), call.lasted());
    let admitted = call.start - waited.map_or(0, |waited| waited.nanos);
    let answered = call.start + call.latency;
    let mut nth = 0;
    let mut push = |step, at, event| {
        nth += 1;
        let sort_key = SortKey {
            step,
            at,
            starts_now: at == admitted || matches!(event, StepEvent::Admit(_)),
            row: call.row,
            nth,
        };
        steps.push((sort_key, event));
    };
    push(call.first_step, admitted, StepEvent::Admit(index));
    if call.completion == Completion::Refused {
        return;
    }
    if let Some(waited) = waited {
        push(waited.step, call.start, StepEvent::Start(index));
    }
    if let Some(lasted) = lasted {
        push(lasted.step, answered, StepEvent::Answer(index));
    }
    push(
        call.last_step,
        answered + lasted.map_or(0, |lasted| lasted.nanos),
        StepEvent::End(index),
    );
}
