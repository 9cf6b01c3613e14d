//! What the simulator asks of a contestant, whatever it is: a pure algorithm, or a crate's own Tower service.

use tower_breaker::clock::Timestamp;

/// A breaker, or something that takes its place.
///
/// The simulator asks where a call goes, plays the primary and the backup, and tells how the call ended. Simulated time never
/// goes back from one question to the next.
pub trait Contestant {
    /// A call that starts now wants to be sent.
    fn ask(&mut self, call: Call, now: Timestamp) -> Route;

    /// A call to the primary has ended.
    fn primary_ended(&mut self, pass: Pass, end: End, now: Timestamp);

    /// A call to the backup has ended. Most don't care.
    fn backup_ended(&mut self, pass: Pass, end: End, now: Timestamp) {
        let _ = (pass, end, now);
    }

    /// Where calls go now, for measures and timelines. Asking changes nothing.
    fn gate(&self, now: Timestamp) -> Gate;
}

/// What a contestant may know of a call when it starts.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Which shard, host or tenant it is for: 0 where there is only one.
    pub key: u32,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Primary(Pass),
    /// The primary may not have it: to the backup, or nowhere where there is none.
    Refused(Pass),
}

/// A contestant's own number for a call in flight; it gets it back when the call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass(pub u64);

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Success,
    /// An error, or the client's timeout, which lies inside the contestant.
    Failure,
    /// The caller dropped the call.
    Dropped,
}

/// Where calls go, in a breaker's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Closed,
    /// Part of the calls goes to the primary: half-open, or a throttle that has begun to refuse.
    HalfOpen,
    Open,
}
