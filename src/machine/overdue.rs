use super::{Assessment, Machine, Phase, Timestamp};

/// What time brings to light, with no call's end.
impl Machine {
    /// A call of the current generation is still in flight though its time was up at `since`. Its end must not be settled as well.
    /// Whether it counted.
    pub fn overdue(&mut self, since: Timestamp, now: Timestamp) -> bool {
        self.record_unless_stale(Assessment::SLOW, Some(since), now)
    }

    /// A call that was [overdue](Self::overdue), of the current generation, has ended in a failure: that too is known of it now.
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

    /// Looks at the evidence again, for it may have lasted long enough by now.
    pub fn reconsider(&mut self, now: Timestamp) {
        let now = self.catch_up(now);
        if self.trips_at().is_some_and(|ripe| ripe <= now) {
            self.trip_if_due(now);
        }
    }

    /// From when on the evidence, if it stays as it is, will have lasted long enough to trip.
    #[must_use]
    pub fn trips_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Closed { states, .. } => states.trips_at(),
            Phase::Open(_) | Phase::HalfOpen(_) => None,
        }
    }

    /// A call of the current generation has been answering for as long as a probe is given, and hasn't failed: as a probe, that is
    /// good enough. Its end must not be settled as well.
    pub fn streaming(&mut self, now: Timestamp) {
        self.record_unless_stale(Assessment::default(), None, now);
    }

    fn record_unless_stale(&mut self, assessment: Assessment, since: Option<Timestamp>, now: Timestamp) -> bool {
        let generation = self.generation;
        let now = self.catch_up(now);
        // A mode whose time was up may have begun a new one just now.
        let counts = generation == self.generation && self.is_recording();
        if counts {
            self.record(assessment, since.unwrap_or(now).min(now), now);
        }
        counts
    }
}
