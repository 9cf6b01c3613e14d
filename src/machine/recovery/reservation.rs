//! Reservations: places in half-open for callers that haven't called yet.
//!
//! A caller reserves in `poll_ready` and claims in `call`. A reservation that isn't claimed in time
//! lapses, so that half-open doesn't wait for a caller that never calls.

use crate::machine::time::Timestamp;

/// A list of the reservations that are neither claimed nor lapsed.
#[derive(Clone, Debug, Default)]
pub(super) struct Reservations {
    open: Vec<Reservation>,
    last_id: u64,
}

#[derive(Clone, Debug)]
struct Reservation {
    id: u64,
    until: Timestamp,
}

impl Reservations {
    /// Adds a reservation that lapses at `until`. Returns its id.
    pub(super) fn add(&mut self, until: Timestamp) -> u64 {
        self.last_id += 1;
        self.open.push(Reservation {
            id: self.last_id,
            until,
        });
        self.last_id
    }

    /// Removes a reservation. Returns whether it was there: not where it has lapsed, or is void.
    pub(super) fn claim(&mut self, id: u64) -> bool {
        let before = self.open.len();
        self.open.retain(|reservation| reservation.id != id);
        self.open.len() < before
    }

    /// Returns whether a reservation is still valid at `now`.
    pub(super) fn is_valid(&self, id: u64, now: Timestamp) -> bool {
        self.open
            .iter()
            .any(|reservation| reservation.id == id && reservation.until > now)
    }

    /// Removes those that have lapsed. Returns how many there were.
    pub(super) fn drop_lapsed(&mut self, now: Timestamp) -> usize {
        if self.open.is_empty() {
            return 0;
        }
        let before = self.open.len();
        self.open.retain(|reservation| reservation.until > now);
        before - self.open.len()
    }

    /// Returns when the earliest reservation lapses.
    pub(super) fn next_lapse(&self) -> Option<Timestamp> {
        self.open.iter().map(|reservation| reservation.until).min()
    }

    /// Voids all reservations.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}
