//! Answers "what would this breaker have done yesterday?": records calls, replays them under
//! another configuration, and suggests parameters.
//!
//! A [`Trace`] is a list of calls, from a [`Recorder`] on a live breaker or from any log. A
//! [`Replay`] feeds a trace to a breaker and reports the trips, the calls that would have been
//! diverted, and the answers that users would have lost. [`Suggest`] replays a trace under several
//! configurations and returns the best of them with its reasons.
//!
//! Nothing here runs in production but the recorder: all else works on a trace in memory.

mod judged_calls;
mod playback;
mod recorder;
mod report;
mod suggest;
mod trace;
mod worth;

pub use self::{
    judged_calls::JudgedCalls,
    playback::{Replay, ReplayedCall},
    recorder::Recorder,
    report::{Change, Report, Trip},
    suggest::{Comparison, Suggest, SuggestError, Suggestion},
    trace::{Call, Latencies, Trace, TraceError},
};
