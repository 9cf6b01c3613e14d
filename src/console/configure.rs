use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Shared,
    access::Identity,
    answer::Problem,
    operate::{find, reason, stale, unprocessable},
};
use crate::{config::Config, registry::PartialConfig};

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// Settings that are to replace those that it has.
    config: PartialConfig,
    generation: u64,
    reason: String,
    /// Otherwise it is only said what would change.
    apply: bool,
}

#[derive(Serialize)]
pub(super) struct Changed {
    applied: bool,
    changes: Vec<Change>,
}

/// A setting that changes, as a path: `open_duration.max`.
#[derive(Debug, PartialEq, Serialize)]
struct Change {
    setting: String,
    before: Value,
    after: Value,
}

pub(super) fn configure(shared: &Shared, name: &str, request: &Request, who: &Identity) -> Result<Changed, Problem> {
    let breaker = find(shared, name)?;
    let reason = reason(&request.reason, who)?;
    let before = breaker.config();
    let after = request.config.apply(before.clone());
    breaker
        .check(&after)
        .map_err(|error| unprocessable(error.to_string()))?;
    let changes = changes(&before, &after)?;
    if !request.apply {
        return Ok(Changed {
            applied: false,
            changes,
        });
    }
    match breaker.reconfigure_at(request.generation, after) {
        Ok(true) => {
            tracing::warn!(breaker = name, reason, "reconfigured by hand");
            Ok(Changed { applied: true, changes })
        }
        Ok(false) => Err(stale(name, &[])),
        Err(error) => Err(unprocessable(error.to_string())),
    }
}

fn changes(before: &Config, after: &Config) -> Result<Vec<Change>, Problem> {
    let written = |config: &Config| {
        serde_json::to_value(config)
            .map_err(|_| unprocessable("a trip policy of the user's own can't be shown, nor changed here"))
    };
    let mut changes = Vec::new();
    compare(String::new(), &written(before)?, &written(after)?, &mut changes);
    Ok(changes)
}

fn compare(setting: String, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                let setting = if setting.is_empty() {
                    key.clone()
                } else {
                    format!("{setting}.{key}")
                };
                compare(setting, &before[key.as_str()], &after[key.as_str()], changes);
            }
        }
        _ if before == after => {}
        _ => changes.push(Change {
            setting,
            before: before.clone(),
            after: after.clone(),
        }),
    }
}
