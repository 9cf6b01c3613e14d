//! When calls in flight are overdue.

mod wheel;

pub(super) use self::wheel::{Bucket, DeadlineWheel, Overdue};
