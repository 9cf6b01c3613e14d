use crate::replay::trace::{Call, Trace};

/// One thing that the breaker saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) struct Step {
    /// What its clock said.
    pub(in crate::replay) at: u64,
    pub(in crate::replay) event: StepEvent,
}

/// Calls go by their index in the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) enum StepEvent {
    Look,
    Admit(u32),
    Start(u32),
    Answer(u32),
    End(u32),
}

/// Where a step stands among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// By the breaker's own count; 0 where it has none.
    step: u64,
    at: u64,
    /// At one moment: first the ends of calls that started earlier, then each row's own.
    starts_now: bool,
    row: u32,
    nth: u8,
}

/// All that a breaker saw of one key, or of all where that is `None`, in its order.
///
/// The breaker's own count decides where each row of a key has one, and by time otherwise: threads that read the clock at once may be
/// let through in another order.
pub(in crate::replay) fn steps_of(trace: &Trace, key: Option<u32>) -> Vec<Step> {
    let mut placed = Vec::with_capacity(2 * trace.calls.len());
    for look in trace.looks.iter().filter(|look| key.is_none_or(|key| key == look.key)) {
        let place = Place {
            step: look.step,
            at: look.at,
            starts_now: true,
            row: look.row,
            nth: 0,
        };
        placed.push((place, StepEvent::Look));
    }
    for (call, index) in trace.calls.iter().zip(0..) {
        if key.is_none_or(|key| key == call.key) {
            place_call(call, index, &mut placed);
        }
    }
    let one_breaker = key.is_some() || trace.keys.len() <= 1;
    if one_breaker && placed.iter().all(|(place, _)| place.step > 0) {
        placed.sort_unstable_by_key(|(place, _)| *place);
        if placed.is_sorted_by(|(a, _), (b, _)| a.step < b.step || a.row == b.row) {
            return placed.into_iter().map(to_step).collect();
        }
        // Two recordings in one file.
    }
    for (place, _) in &mut placed {
        place.step = 0;
    }
    placed.sort_unstable_by_key(|(place, _)| *place);
    placed.into_iter().map(to_step).collect()
}

fn to_step((place, event): (Place, StepEvent)) -> Step {
    Step { at: place.at, event }
}

fn place_call(call: &Call, index: u32, placed: &mut Vec<(Place, StepEvent)>) {
    let detours = call.detours.as_deref();
    let waited = detours.and_then(|detours| detours.waited);
    let lasted = detours.and_then(|detours| detours.lasted);
    let admitted = call.start - waited.map_or(0, |waited| waited.nanos);
    let answered = call.start + call.latency;
    let mut nth = 0;
    let mut put = |step, at, event| {
        nth += 1;
        let place = Place {
            step,
            at,
            starts_now: at == admitted || matches!(event, StepEvent::Admit(_)),
            row: call.row,
            nth,
        };
        placed.push((place, event));
    };
    let (first, last) = call.steps;
    put(first, admitted, StepEvent::Admit(index));
    if call.outcome == crate::observe::Completion::Refused {
        return;
    }
    if let Some(waited) = waited {
        put(waited.step, call.start, StepEvent::Start(index));
    }
    if let Some(lasted) = lasted {
        put(lasted.step, answered, StepEvent::Answer(index));
    }
    put(
        last,
        answered + lasted.map_or(0, |lasted| lasted.nanos),
        StepEvent::End(index),
    );
}
