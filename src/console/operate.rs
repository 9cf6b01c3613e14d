use std::time::Duration;

use ::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Shared, access::Identity, answer::Problem};
use crate::{breaker::Breaker, machine::Mode};

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    operation: String,
    breakers: Vec<Sighted>,
    reason: String,
    /// In seconds; without it, for good.
    #[serde(default)]
    ttl: Option<f64>,
}

/// A breaker, and the generation that was seen of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sighted {
    pub(super) name: String,
    pub(super) generation: u64,
}

/// What was done.
#[derive(Serialize)]
pub(super) struct Done {
    operated: Vec<String>,
}

#[derive(Clone, Copy)]
enum Operation {
    Mode(Mode),
    Reset,
}

const OPERATIONS: &str = "force_open, disable, shadow, automatic or reset";
const YEAR: f64 = 365.0 * 24.0 * 3600.0;

/// Does it for all of them, or says of the first one why not. Those before it have been operated then, and are named.
pub(super) fn operate(shared: &Shared, request: &Request, who: &Identity) -> Result<Done, Problem> {
    let operation = match request.operation.as_str() {
        "force_open" => Operation::Mode(Mode::ForcedOpen),
        "disable" => Operation::Mode(Mode::Disabled),
        "shadow" => Operation::Mode(Mode::Shadow),
        "automatic" => Operation::Mode(Mode::Automatic),
        "reset" => Operation::Reset,
        other => {
            return Err(unprocessable(format!(
                "operation can't be {other:?}: {OPERATIONS} is accepted"
            )));
        }
    };
    let ttl = match request.ttl {
        None => None,
        Some(seconds) if seconds > 0.0 && seconds <= YEAR => Some(Duration::from_secs_f64(seconds)),
        Some(seconds) => {
            let accepted = "a number of seconds above 0 and up to 365 days, or nothing for good, is accepted";
            return Err(unprocessable(format!("ttl can't be {seconds}: {accepted}")));
        }
    };
    let reason = reason(&request.reason, who)?;
    if request.breakers.is_empty() {
        return Err(unprocessable("breakers can't be empty: at least one is accepted"));
    }
    // First all are looked up, so that a name that is misspelt changes nothing.
    let breakers = request
        .breakers
        .iter()
        .map(|sighted| find(shared, &sighted.name).map(|breaker| (sighted, breaker)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut operated = Vec::new();
    for (sighted, breaker) in breakers {
        let is_done = match operation {
            Operation::Mode(mode) => breaker.set_mode_at(sighted.generation, mode, &reason, ttl),
            Operation::Reset => breaker.reset_at(sighted.generation, &reason),
        };
        if !is_done {
            return Err(stale(&sighted.name, &operated));
        }
        operated.push(sighted.name.clone());
    }
    Ok(Done { operated })
}

pub(super) fn find(shared: &Shared, name: &str) -> Result<Breaker, Problem> {
    shared.registry.get(name).map_err(|_| Problem::unknown_breaker(name))
}

/// What stands in the event: what for, and who.
pub(super) fn reason(reason: &str, who: &Identity) -> Result<String, Problem> {
    const LONGEST: usize = 200;
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST {
        return Err(unprocessable(format!(
            "reason can't have {} characters: 1 to {LONGEST} are accepted",
            reason.chars().count()
        )));
    }
    Ok(format!("{reason} (by {})", who.name()))
}

pub(super) fn unprocessable(reason: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, reason)
}

pub(super) fn stale(name: &str, operated: &[String]) -> Problem {
    let before = if operated.is_empty() {
        "nothing was done".to_owned()
    } else {
        format!("done before it: {}", operated.join(", "))
    };
    let reason = format!("{name:?} has changed since it was looked at; {before}");
    Problem::new(StatusCode::CONFLICT, reason)
}
