//! Operates breakers: sets a mode, or resets, one or several at once.
//!
//! The caller names the generation that it has seen of each. A breaker that has changed since is
//! left alone, so that no operation rests on a page that is out of date.

use std::{borrow::Cow, time::Duration};

use ::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Shared, access::Identity, response::Problem};
use crate::{breaker::Breaker, machine::Mode};

/// A request to operate breakers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperateRequest {
    operation: String,
    breakers: Vec<SeenBreaker>,
    reason: String,
    /// The time in seconds after which the mode reverts; `None` if it never does.
    #[serde(default)]
    ttl: Option<f64>,
}

/// A breaker, and its generation as the caller saw it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeenBreaker {
    pub(super) name: String,
    pub(super) generation: u64,
}

/// The answer: the breakers that were operated.
#[derive(Serialize)]
pub(super) struct OperateResponse {
    operated: Vec<String>,
}

#[derive(Clone, Copy)]
enum Operation {
    Mode(Mode),
    Reset,
}

/// The names of all operations, for an error.
const OPERATIONS: &str = "force_open, disable, shadow, automatic or reset";
const YEAR: f64 = 365.0 * 24.0 * 3600.0;

/// Operates all breakers, in order. If one can't be operated, the problem names those that were
/// operated before it.
pub(super) fn operate(
    shared: &Shared,
    request: &OperateRequest,
    identity: &Identity,
) -> Result<OperateResponse, Problem> {
    let operation = match request.operation.as_str() {
        "force_open" => Operation::Mode(Mode::ForcedOpen),
        "disable" => Operation::Mode(Mode::Disabled),
        "shadow" => Operation::Mode(Mode::Shadow),
        "automatic" => Operation::Mode(Mode::Automatic),
        "reset" => Operation::Reset,
        other => {
            return Err(unprocessable(format!(
                "operation must be {OPERATIONS}, but is {other:?}"
            )));
        }
    };
    let ttl = match request.ttl {
        None => None,
        Some(seconds) if seconds > 0.0 && seconds <= YEAR => Some(Duration::from_secs_f64(seconds)),
        Some(seconds) => {
            return Err(unprocessable(format!(
                "ttl must be a number of seconds above 0 and up to 365 days, or absent, but is {seconds}"
            )));
        }
    };
    let reason = reason_with_identity(&request.reason, identity)?;
    if request.breakers.is_empty() {
        return Err(unprocessable("breakers must name at least one"));
    }
    // All names are resolved first, so that a misspelled one changes nothing.
    let breakers = request
        .breakers
        .iter()
        .map(|seen| find_breaker(shared, &seen.name).map(|breaker| (seen, breaker)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut operated = Vec::new();
    for (seen, breaker) in breakers {
        let is_done = match operation {
            Operation::Mode(mode) => breaker.set_mode_at(seen.generation, mode, &reason, ttl),
            Operation::Reset => breaker.reset_at(seen.generation, &reason),
        };
        if !is_done {
            return Err(stale(&seen.name, &operated));
        }
        operated.push(seen.name.clone());
    }
    Ok(OperateResponse { operated })
}

pub(super) fn find_breaker(shared: &Shared, name: &str) -> Result<Breaker, Problem> {
    shared.registry.get(name).map_err(|_| Problem::unknown_breaker(name))
}

/// Returns the reason as it appears in the event, with who gave it.
pub(super) fn reason_with_identity(reason: &str, identity: &Identity) -> Result<String, Problem> {
    const LONGEST: usize = 200;
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST {
        return Err(unprocessable(format!(
            "reason must have 1 to {LONGEST} characters, but has {}",
            reason.chars().count()
        )));
    }
    Ok(format!("{reason} (by {})", identity.name()))
}

/// Makes the problem of a request that can be read, but not carried out.
pub(super) fn unprocessable(reason: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, reason)
}

/// Makes the problem of a breaker that has changed since the caller saw it.
pub(super) fn stale(name: &str, operated: &[String]) -> Problem {
    let done = if operated.is_empty() {
        "nothing was done".to_owned()
    } else {
        format!("operated before it: {}", operated.join(", "))
    };
    let reason = format!("{name:?} has changed since it was shown; {done}");
    Problem::new(StatusCode::CONFLICT, reason)
}
