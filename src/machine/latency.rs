use std::time::Duration;

use super::{Completion, Machine, Outcome, SlowAfter, Ticket, Timestamp};

/// What is slow, and what is learned of that.
impl Machine {
    /// From when on a call that starts now is slow. `None` where no call is, or where not enough has been learned yet.
    #[must_use]
    pub fn slow_after(&self) -> Option<Duration> {
        match self.settings.slow_after.with_auto_as(self.auto) {
            SlowAfter::Auto | SlowAfter::Never => None,
            SlowAfter::After(duration) => Some(duration),
            SlowAfter::Learned => self.estimator.slow_after(),
        }
    }

    /// Learns from the end of a call, if it is [one to learn from](Ticket::is_sampled), how long good calls take.
    ///
    /// [`settle`](Self::settle) does so too. This is for a call that has been counted before its end, which must not be settled.
    pub fn learn(&mut self, ticket: &Ticket, completion: Completion, now: Timestamp) {
        // What was admitted before the trip is stale as evidence, but not as a measurement.
        if !ticket.is_sampled() || ticket.generation() < self.learns_from || completion != GOOD {
            return;
        }
        let now = self.catch_up(now);
        if let Some(latency) = ticket
            .elapsed(now)
            .filter(|_| self.is_recording() && self.is_learning())
        {
            self.estimator.learn(latency, now);
        }
    }

    /// After how long a call that is given up counts as slow, whatever `slow_after` says.
    pub(super) fn given_up_after(&self) -> Option<Duration> {
        self.estimator.given_up_after().filter(|_| self.is_learning())
    }

    pub(super) fn learned_p99(&self) -> Option<Duration> {
        self.estimator.p99().filter(|_| self.is_learning())
    }

    pub(super) fn learned_p50(&self) -> Option<Duration> {
        self.estimator.p50().filter(|_| self.is_learning())
    }

    pub(super) fn is_learning(&self) -> bool {
        self.settings.slow_after.with_auto_as(self.auto) != SlowAfter::Never
    }
}

const GOOD: Completion = Completion::Finished(Outcome::Success);
