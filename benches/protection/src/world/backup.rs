//! The simulated backup.

use std::time::Duration;

use tower_breaker::clock::Timestamp;

use super::AT_ONCE;
use crate::scenario::Backup;

/// The backup's state. It answers at once, or one request after the other if its rate is limited.
#[derive(Debug)]
pub(crate) struct BackupState {
    backup: Backup,
    /// When it has answered everything that waits.
    free_at: Timestamp,
}

impl BackupState {
    pub(crate) fn new(backup: &Backup) -> Self {
        Self {
            backup: backup.clone(),
            free_at: Timestamp::START,
        }
    }

    /// Returns how long it would take to answer a request that arrives now.
    pub(crate) fn after(&self, now: Timestamp) -> Duration {
        self.free_at.since(now) + self.backup.latency.0
    }

    /// Takes a request that arrives now. Returns how long the answer takes, or how long the failure
    /// takes.
    pub(crate) fn take(&mut self, now: Timestamp) -> Result<Duration, Duration> {
        let Some(rate) = self.backup.rate else {
            return Ok(self.backup.latency.0);
        };
        let one = Duration::from_secs_f64(1.0 / rate);
        let wait = self.free_at.since(now);
        if wait > one.saturating_mul(self.backup.queue) {
            return Err(AT_ONCE);
        }
        self.free_at = now.max(self.free_at) + one;
        Ok(wait + self.backup.latency.0)
    }
}
