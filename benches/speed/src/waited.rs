//! How long a thread has waited for a processor, from Linux's scheduler statistics.

use std::{fs, time::Duration};

/// Returns how long this thread has waited so far for a processor that other threads had. Returns
/// `None` if the system doesn't say.
pub(crate) fn waited() -> Option<Duration> {
    parse(&fs::read_to_string("/proc/thread-self/schedstat").ok()?)
}

/// Returns how long this thread has waited since `before`, or zero if the system doesn't say.
pub(crate) fn waited_since(before: Option<Duration>) -> Duration {
    waited()
        .zip(before)
        .map_or(Duration::ZERO, |(now, before)| now.saturating_sub(before))
}

/// Reads the second of three numbers: nanoseconds on a processor, nanoseconds waited for one, and
/// how often the thread got one.
fn parse(schedstat: &str) -> Option<Duration> {
    schedstat
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_of_the_three_is_the_wait() {
        assert_eq!(parse("239117 67060 1\n"), Some(Duration::from_nanos(67_060)));
        assert_eq!(parse("239117"), None);
    }

    #[test]
    fn thread_that_waited_for_a_processor_measures_it() {
        let Some(before) = waited() else { return };
        let busy = || (0..50_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let waits = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..=cores)
                .map(|_| {
                    scope.spawn(|| {
                        let before = waited();
                        busy();
                        waited_since(before)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
        });
        assert!(waits > Duration::from_micros(100), "{waits:?}");
        assert!(waited() >= Some(before));
    }
}
