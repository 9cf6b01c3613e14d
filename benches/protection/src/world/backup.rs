use std::time::Duration;

use tower_breaker::clock::Timestamp;

use super::AT_ONCE;
use crate::scenario::Backup;

/// What answers in the primary's place: at once, or one request after the other where its rate is limited.
#[derive(Debug)]
pub(crate) struct BackupState {
    backup: Backup,
    /// When it is done with all that waits.
    free_at: Timestamp,
}

impl BackupState {
    pub(crate) fn new(backup: &Backup) -> Self {
        Self {
            backup: backup.clone(),
            free_at: Timestamp::START,
        }
    }

    /// After how long it would answer a request that comes now.
    pub(crate) fn after(&self, now: Timestamp) -> Duration {
        self.free_at.since(now) + self.backup.latency.0
    }

    /// After how long it answers a request that comes now, or fails.
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
