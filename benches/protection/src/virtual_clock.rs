//! `std::time` in simulated time.
//!
//! The crates that read `Instant::now()` accept no other clock. This module replaces the C
//! library's `clock_gettime`, which the standard library calls. On a thread that is [`at`] a
//! simulated time it returns that time. On all other threads it asks the kernel.

use std::{cell::Cell, marker::PhantomData};

use libc::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME,
    CLOCK_REALTIME_COARSE, SYS_clock_gettime, c_int, clockid_t, timespec,
};
use tower_breaker::clock::Timestamp;

/// Where the simulation starts on the monotonic clock. It is later than zero, so that a crate may
/// look back from there.
const MONOTONIC_START: i64 = 1_000_000;

/// Where the simulation starts on the wall clock: the beginning of 2026.
const REALTIME_START: i64 = 1_767_225_600;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

thread_local! {
    // Has no destructor and a constant start: `clock_gettime` may neither allocate nor register
    // anything.
    static NOW: Cell<Option<Timestamp>> = const { Cell::new(None) };
}

/// Makes `std::time` return `now` on this thread until the guard is dropped.
pub fn at(now: Timestamp) -> VirtualClock {
    VirtualClock {
        before: NOW.replace(Some(now)),
        of_this_thread: PhantomData,
    }
}

/// A guard for a thread's simulated time. Dropping it restores what was there before.
#[derive(Debug)]
#[must_use = "time is simulated until this is dropped"]
pub struct VirtualClock {
    before: Option<Timestamp>,
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for VirtualClock {
    fn drop(&mut self) {
        NOW.set(self.before);
    }
}

/// Replaces the C library's function of that name.
///
/// # Safety
///
/// `time` must be valid for a write, like for the function that this replaces.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let start = match clock {
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => MONOTONIC_START,
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => REALTIME_START,
        // SAFETY: the caller promises that `time` is valid.
        _ => return unsafe { ask_the_kernel(clock, time) },
    };
    let Some(now) = NOW.get() else {
        // SAFETY: the caller promises that `time` is valid.
        return unsafe { ask_the_kernel(clock, time) };
    };
    let (seconds, nanos) = (now.as_nanos() / NANOS_PER_SECOND, now.as_nanos() % NANOS_PER_SECOND);
    // SAFETY: the caller promises that `time` is valid.
    unsafe {
        time.write(timespec {
            tv_sec: start + seconds.cast_signed(),
            tv_nsec: nanos.cast_signed(),
        });
    }
    0
}

/// Reads the kernel's clock.
///
/// # Safety
///
/// `time` must be valid for a write.
unsafe fn ask_the_kernel(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: the caller promises that `time` is valid. The call touches nothing else.
    let answer = unsafe { libc::syscall(SYS_clock_gettime, clock, time) };
    c_int::from(answer != 0).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant, SystemTime},
    };

    use super::*;

    fn secs(seconds: u64) -> Timestamp {
        Timestamp::START + Duration::from_secs(seconds)
    }

    #[test]
    fn instants_and_the_wall_clock_follow_simulated_time() {
        let (instant, wall) = {
            let _clock = at(secs(5));
            (Instant::now(), SystemTime::now())
        };
        let _clock = at(secs(3605));
        assert_eq!(instant.elapsed(), Duration::from_secs(3600));
        assert_eq!(wall.elapsed().unwrap(), Duration::from_secs(3600));
    }

    #[test]
    fn simulated_time_stands_still_between_two_reads() {
        let _clock = at(secs(1));
        assert_eq!(Instant::now(), Instant::now());
    }

    #[test]
    fn dropping_the_guard_restores_the_time_before() {
        let real = Instant::now();
        let outer = at(secs(7));
        let seven = Instant::now();
        {
            let _inner = at(secs(9));
            assert_eq!(seven.elapsed(), Duration::from_secs(2));
        }
        assert_eq!(seven.elapsed(), Duration::ZERO);
        drop(outer);
        assert!(real.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn another_thread_sees_real_time() {
        let before = SystemTime::now();
        let _clock = at(secs(0));
        let elsewhere = thread::spawn(SystemTime::now).join().unwrap();
        assert!(elsewhere >= before);
        assert!(SystemTime::now() < before, "2026 has begun");
    }
}
