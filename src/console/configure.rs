//! Replaces a breaker's settings, or shows what would change.
//!
//! The caller names the generation that it has seen. If the breaker has changed since, nothing is
//! done.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Shared,
    access::Identity,
    operate::{find_breaker, reason_with_identity, stale, unprocessable},
    response::Problem,
};
use crate::{config::Config, registry::PartialConfig};

/// A request to change settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigureRequest {
    /// The settings to replace; others stay.
    config: PartialConfig,
    /// The breaker's generation as the caller saw it.
    generation: u64,
    reason: String,
    /// Whether to apply the changes. If not, they are only listed.
    apply: bool,
}

/// The answer: the settings that change, and whether they have.
#[derive(Serialize)]
pub(super) struct ConfigureResponse {
    applied: bool,
    changes: Vec<SettingChange>,
}

/// A setting that changes.
#[derive(Debug, PartialEq, Serialize)]
struct SettingChange {
    /// Its path: `open_duration.max`.
    setting: String,
    before: Value,
    after: Value,
}

pub(super) fn configure(
    shared: &Shared,
    name: &str,
    request: &ConfigureRequest,
    identity: &Identity,
) -> Result<ConfigureResponse, Problem> {
    let breaker = find_breaker(shared, name)?;
    let reason = reason_with_identity(&request.reason, identity)?;
    let before = breaker.config();
    let after = request.config.apply(before.clone());
    breaker
        .check(&after)
        .map_err(|error| unprocessable(error.to_string()))?;
    let changes = changes(&before, &after)?;
    if !request.apply {
        return Ok(ConfigureResponse {
            applied: false,
            changes,
        });
    }
    match breaker.reconfigure_at(request.generation, after) {
        Ok(true) => {
            tracing::warn!(breaker = name, reason, "reconfigured from the console");
            Ok(ConfigureResponse { applied: true, changes })
        }
        Ok(false) => Err(stale(name, &[])),
        Err(error) => Err(unprocessable(error.to_string())),
    }
}

/// Returns the settings that differ.
fn changes(before: &Config, after: &Config) -> Result<Vec<SettingChange>, Problem> {
    let to_json = |config: &Config| {
        serde_json::to_value(config)
            .map_err(|_| unprocessable("the trip policy is custom: it can be neither shown nor changed here"))
    };
    let mut changes = Vec::new();
    compare(String::new(), &to_json(before)?, &to_json(after)?, &mut changes);
    Ok(changes)
}

/// Adds the differences of two values, down to the settings of their tables.
fn compare(setting: String, before: &Value, after: &Value, changes: &mut Vec<SettingChange>) {
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
        _ => changes.push(SettingChange {
            setting,
            before: before.clone(),
            after: after.clone(),
        }),
    }
}
