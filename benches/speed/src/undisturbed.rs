use std::{fs, time::Duration};

/// How long this thread has waited for a processor so far, in nanoseconds; `None` where the system doesn't tell.
fn waited() -> Option<u64> {
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    parse(&told)
}

fn parse(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().nth(1)?.parse().ok()
}

/// What `run` returns, and whether this thread waited no longer than `allowed` for a processor that others had.
pub(crate) fn watched<T>(allowed: Duration, run: impl FnOnce() -> T) -> (T, bool) {
    let before = waited();
    let result = run();
    let undisturbed = match (before, waited()) {
        (Some(before), Some(after)) => u128::from(after - before) <= allowed.as_nanos(),
        // Nobody can tell.
        _ => true,
    };
    (result, undisturbed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_of_the_three_is_the_wait() {
        assert_eq!(parse("239117 67060 1\n"), Some(67_060));
        assert_eq!(parse("239117"), None);
    }

    #[test]
    fn what_is_quick_is_undisturbed() {
        assert_eq!(watched(Duration::MAX, || 7), (7, true));
    }
}
