//! The interface between the simulator and a contestant. A contestant is a pure algorithm or a
//! crate's own Tower service.

use tower_breaker::clock::Timestamp;

/// A breaker, or something that takes its place.
///
/// The simulator asks where a call goes, plays the primary and the backup, and reports how the call
/// ended. Simulated time never goes back between two of these calls.
pub trait Contestant {
    /// Decides where a call goes that starts now.
    fn ask(&mut self, call: Call, now: Timestamp) -> Route;

    /// Reports that a call to the primary has ended.
    fn primary_ended(&mut self, id: CallId, end: End, now: Timestamp);

    /// Reports that a call to the backup has ended. Most contestants ignore it.
    fn backup_ended(&mut self, id: CallId, end: End, now: Timestamp) {
        let _ = (id, end, now);
    }

    /// Returns where calls go now, for measures and timelines. Changes nothing.
    fn gate(&self, now: Timestamp) -> Gate;
}

/// What a contestant may know of a call when it starts.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The shard, host or tenant that the call is for; 0 if there is only one.
    pub key: u32,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Primary(CallId),
    /// The primary may not have it. It goes to the backup, or ends in an error if there is none.
    Refused(CallId),
}

/// A contestant's own number for a call in flight. The simulator returns it when the call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(pub u64);

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Success,
    /// An error, or the client's timeout. The timeout lies inside the contestant.
    Failure,
    /// The caller dropped the call.
    Dropped,
}

/// Where calls go, as the state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Closed,
    /// Some of the calls go to the primary: half-open, or a throttle that has begun to refuse.
    HalfOpen,
    Open,
}
