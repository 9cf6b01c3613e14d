//! What the driver reports about calls: that one starts, waits, is overdue, or has ended.
//!
//! Each report brings the machine to `now` first, so that a mode or a stage whose time is up has
//! ended before the call is judged. A call is recorded once: by [`Machine::settle`] at its end, or
//! by [`Machine::overdue`] or [`Machine::streaming`] before it.

use std::time::Duration;

use super::{
    Machine,
    completion::{Assessment, Completion, Settled},
    recovery::half_open::Progress,
    state::Phase,
    ticket::{Refusal, Ticket},
    time::Timestamp,
};

impl Machine {
    /// Decides whether the primary may have a call that starts at `now`.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that says when to come back.
    pub fn admit(&mut self, now: Timestamp) -> Result<Ticket, Refusal> {
        let now = self.catch_up(now);
        let reserves_trials = self.reserves_trials();
        self.start_trial(now, !reserves_trials && self.ready_to_probe(now));
        let admitted = match &mut self.phase {
            Phase::Closed { .. } => true,
            Phase::Open(cooldown) => {
                cooldown.record_rejections(1);
                false
            }
            Phase::HalfOpen(half_open) if reserves_trials && half_open.is_trial() => false,
            Phase::HalfOpen(half_open) => half_open.admit(),
        };
        if admitted {
            Ok(self.ticket(now, None))
        } else {
            Err(self.refusal(now))
        }
    }

    /// Decides whether the primary may have a call that is made later: see
    /// [`Ticket::is_reservation`]. It has to be [claimed](Self::claim) then.
    ///
    /// A refused reservation may stand for any number of calls. So a trial waits only for time
    /// here, and not for refused calls.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that says when to come back.
    pub fn reserve(&mut self, now: Timestamp) -> Result<Ticket, Refusal> {
        let now = self.catch_up(now);
        let reserves_trials = self.reserves_trials();
        self.start_trial(now, !reserves_trials && self.open_time_is_up(now));
        let until = now + self.time_limit();
        match &mut self.phase {
            Phase::Closed { .. } => Ok(self.ticket(now, None)),
            Phase::Open(_) => Err(self.refusal(now)),
            Phase::HalfOpen(half_open) if reserves_trials && half_open.is_trial() => Err(self.refusal(now)),
            Phase::HalfOpen(half_open) => match half_open.reserve(until) {
                Some(reservation) => Ok(self.ticket(now, Some(reservation))),
                None => Err(self.refusal(now)),
            },
        }
    }

    /// Returns whether a reservation is still valid.
    #[must_use]
    pub fn is_valid(&self, ticket: &Ticket, now: Timestamp) -> bool {
        let now = self.latest.max(now);
        if !self.is_current(ticket) || self.mode.is_over(now) {
            return false;
        }
        match (ticket.reservation(), &self.phase) {
            (None, _) => true,
            (Some(reservation), Phase::HalfOpen(half_open)) => {
                // A stage that has passed takes its reservations with it.
                half_open.is_valid(reservation, now)
                    && half_open.progress(&self.settings.recovery, now) == Progress::Stays
            }
            (Some(_), _) => false,
        }
    }

    /// Turns a reservation into a call. Returns `false` where it has lapsed: the call is then
    /// [untracked](Ticket::untracked) by this machine.
    pub fn claim(&mut self, ticket: &mut Ticket, now: Timestamp) -> bool {
        let now = self.catch_up(now);
        let claimed = match (ticket.take_reservation(), &mut self.phase) {
            _ if ticket.generation() != self.generation => false,
            (None, _) => true,
            (Some(reservation), Phase::HalfOpen(half_open)) => half_open.claim(reservation),
            (Some(_), _) => false,
        };
        if !claimed {
            *ticket = Ticket::untracked(now);
        }
        claimed
    }

    /// Grants a call of the trial to an agent, which probes the primary on its own: no calls need
    /// have been refused before it. `None` where there is no trial, or its calls are taken.
    pub fn admit_to_trial(&mut self, now: Timestamp) -> Option<Ticket> {
        let now = self.catch_up(now);
        self.start_trial(now, self.open_time_is_up(now));
        match &mut self.phase {
            Phase::HalfOpen(half_open) if half_open.is_trial() => half_open.admit().then(|| self.ticket(now, None)),
            _ => None,
        }
    }

    /// Records a call's end, and learns from it. Returns what became of it.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is settled once")]
    pub fn settle(&mut self, ticket: Ticket, completion: Completion, now: Timestamp) -> Settled {
        let now = self.catch_up(now);
        self.learn(&ticket, completion, now);
        if !self.is_current(&ticket) {
            return Settled::Stale;
        }
        if !ticket.is_recorded() {
            return Settled::Unrecorded;
        }
        let settled = ticket.assess(completion, self.settings.cancelled_calls, self.given_up_after(), now);
        match &settled {
            Settled::Counted(assessment) => self.record(*assessment, now, now),
            Settled::Ignored | Settled::Cancelled | Settled::Unused => self.leave_undecided(&ticket, now),
            Settled::Stale | Settled::Unrecorded => {}
        }
        settled
    }

    /// Learns from the end of a call, if it is [a sample](Ticket::is_sampled), how long good calls
    /// take.
    ///
    /// [`settle`](Self::settle) does so too. This is for a call that has been counted before its
    /// end, which must not be settled.
    pub fn learn(&mut self, ticket: &Ticket, completion: Completion, now: Timestamp) {
        // What was admitted before the trip is stale as evidence, but not as a measurement.
        if !ticket.is_sampled() || ticket.generation() < self.learns_from || completion != Completion::SUCCESS {
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

    /// Notes that the primary asked, with this call's answer, to get no calls for so long: see
    /// [`OpenDuration::honor_retry_after`](super::OpenDuration::honor_retry_after).
    pub fn asked_for_pause(&mut self, ticket: &Ticket, pause: Duration, now: Timestamp) {
        let now = self.catch_up(now);
        if self.is_current(ticket) {
            self.paused_until = now + pause;
        }
    }

    /// Records a call of the current generation as slow that is still in flight, though its time
    /// was up at `since`. Returns whether it counted. Its end must not be settled as well.
    pub fn overdue(&mut self, since: Timestamp, now: Timestamp) -> bool {
        self.record_unless_stale(Assessment::SLOW, Some(since), now)
    }

    /// Records that a call which was [overdue](Self::overdue), of the current generation, has
    /// failed, too.
    pub fn overdue_failed(&mut self, now: Timestamp) {
        let generation = self.generation;
        let now = self.catch_up(now);
        if let Phase::Closed { states, .. } = &mut self.phase {
            if generation == self.generation {
                states.overdue_failed(now);
                self.trip_if_due(now);
            }
        }
    }

    /// Records a call of the current generation as good that has been answering for as long as a
    /// probe may take, and hasn't failed. Its end must not be settled as well.
    pub fn streaming(&mut self, now: Timestamp) {
        self.record_unless_stale(Assessment::GOOD, None, now);
    }

    fn record_unless_stale(&mut self, assessment: Assessment, since: Option<Timestamp>, now: Timestamp) -> bool {
        let generation = self.generation;
        let now = self.catch_up(now);
        // A mode whose time was up may have begun a new generation just now.
        let counts = generation == self.generation && self.is_recording();
        if counts {
            self.record(assessment, since.unwrap_or(now).min(now), now);
        }
        counts
    }

    fn leave_undecided(&mut self, ticket: &Ticket, now: Timestamp) {
        let Phase::HalfOpen(half_open) = &mut self.phase else {
            return;
        };
        match ticket.reservation() {
            // A reservation that was given up says nothing, about the primary or its callers.
            Some(reservation) => {
                if half_open.claim(reservation) {
                    half_open.give_back();
                }
            }
            None => {
                let progress = half_open.record_undecided(now);
                self.follow(progress, now);
            }
        }
    }

    fn ticket(&mut self, now: Timestamp, reservation: Option<u64>) -> Ticket {
        let time_limit = matches!(self.phase, Phase::HalfOpen(_)).then(|| self.time_limit());
        let ticket = Ticket::new(self.generation, now, self.slow_after(), time_limit, reservation);
        if self.is_recording() {
            let sampled = self.is_learning() && self.estimator.sample_this_call(now);
            ticket.sampled(sampled)
        } else {
            ticket.unrecorded()
        }
    }

    /// Returns how long a half-open call or a reservation may take.
    fn time_limit(&self) -> Duration {
        self.settings
            .recovery
            .time_limit(self.slow_after(), self.attempt.unwrap_or(0))
    }
}
