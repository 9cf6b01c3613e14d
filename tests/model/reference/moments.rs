use tower_breaker::policy::SlidingWindow;

use super::{Bucket, Memory, Nanos, Phase, Reference, SECOND, closed::slice_of, half_open::Step, nanos};
use crate::common::generated::plan::{FormPlan, PolicyPlan};

impl Reference {
    /// The times to come at which something may change: where an error by one would show.
    pub(crate) fn moments(&self) -> Vec<Nanos> {
        let mut moments = vec![self.since.saturating_add(10 * SECOND)];
        moments.extend(self.reverts_at);
        match &self.phase {
            Phase::Closed(closed) => {
                moments.push(closed.quiet_until);
                for memory in &closed.memories {
                    if let PolicyPlan::Evidence { sustained, .. } = memory.policy {
                        moments.push(Bucket::replay(&memory.log).since.saturating_add(nanos(sustained)));
                    }
                    if let Some(SlidingWindow::Time(time)) = memory.policy.window() {
                        let slice = slice_of(time);
                        let oldest = self.log_start(memory) / slice;
                        moments.push(oldest.saturating_add(20).saturating_mul(slice));
                    }
                }
            }
            Phase::Open { until, .. } => {
                // Twice, since it is the most interesting one.
                moments.extend([*until, *until, self.since.saturating_add(60 * SECOND)]);
            }
            Phase::HalfOpen(half_open) => {
                moments.extend(half_open.reservations.iter().map(|reservation| reservation.until));
                moments.push(half_open.last_decided().saturating_add(SECOND));
                if let (Step::Stage { since, .. }, FormPlan::Gradual { stage_duration, .. }) =
                    (&half_open.step, &self.plan.recovery.form)
                {
                    let stage = nanos(*stage_duration);
                    moments.extend([since.saturating_add(stage), since.saturating_add(4 * stage)]);
                }
            }
        }
        moments.retain(|moment| *moment > self.now);
        moments
    }

    fn log_start(&self, memory: &Memory) -> Nanos {
        memory.in_window(self.now).first().map_or(self.now, |call| call.known)
    }
}
