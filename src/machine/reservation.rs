use super::{Machine, Phase, Refusal, Ticket, Timestamp, half_open::Progress};

/// Calls that are promised now and made later.
impl Machine {
    /// Whether the primary may have a call that is promised now, and made later: see [`Ticket::is_reservation`].
    ///
    /// Nobody sees how many calls a refused promise stands for, so only time is waited for here before a trial.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that says when to come back.
    pub fn reserve(&mut self, now: Timestamp) -> Result<Ticket, Refusal> {
        let now = self.catch_up(now);
        let reserves_trials = self.reserves_trials();
        self.start_trial(now, !reserves_trials && self.open_time_is_up(now));
        let until = now + self.lease();
        match &mut self.phase {
            Phase::Closed { .. } => Ok(self.ticket(now, None)),
            Phase::Open(_) => Err(self.refusal(now)),
            Phase::HalfOpen(half_open) if reserves_trials && half_open.is_trial() => Err(self.refusal(now)),
            Phase::HalfOpen(half_open) => match half_open.lease(until) {
                Some(lease) => Ok(self.ticket(now, Some(lease))),
                None => Err(self.refusal(now)),
            },
        }
    }

    /// Whether a promise still holds.
    #[must_use]
    pub fn is_valid(&self, ticket: &Ticket, now: Timestamp) -> bool {
        let now = self.latest.max(now);
        if !self.is_current(ticket) || self.mode.is_over(now) {
            return false;
        }
        match (ticket.lease(), &self.phase) {
            (None, _) => true,
            (Some(lease), Phase::HalfOpen(half_open)) => {
                // A stage that has passed takes its promises with it.
                half_open.holds(lease, now) && half_open.progress(&self.settings.recovery, now) == Progress::Stays
            }
            (Some(_), _) => false,
        }
    }

    /// Turns a promise into a call. `false` where it has run out: the call is then a [stranger](Ticket::untracked) to this machine.
    pub fn claim(&mut self, ticket: &mut Ticket, now: Timestamp) -> bool {
        let now = self.catch_up(now);
        let claimed = match (ticket.take_lease(), &mut self.phase) {
            _ if ticket.generation() != self.generation => false,
            (None, _) => true,
            (Some(lease), Phase::HalfOpen(half_open)) => half_open.claim(lease),
            (Some(_), _) => false,
        };
        if !claimed {
            *ticket = Ticket::untracked(now);
        }
        claimed
    }
}
