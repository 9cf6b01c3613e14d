//! Reads and writes `Retry-After` (RFC 9110, 10.2.3).

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap, HeaderValue,
    header::{InvalidHeaderValue, RETRY_AFTER},
};

/// Returns the pause that a `Retry-After` asks for, in seconds or as a date. Returns `None` if
/// there is none, or if it can't be read.
pub(crate) fn requested_pause(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // More digits than a `u64` holds. The breaker caps the pause anyway.
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::MAX);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Returns the header for a pause: whole seconds, rounded up, and at least one.
pub(super) fn header(pause: Duration) -> Result<HeaderValue, InvalidHeaderValue> {
    let seconds = pause.as_secs().saturating_add(u64::from(pause.subsec_nanos() > 0));
    HeaderValue::from_str(&seconds.max(1).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested(value: &str) -> Option<Duration> {
        let value = HeaderValue::from_str(value).unwrap();
        requested_pause(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
    }

    #[test]
    fn seconds_dates_and_centuries_are_read_and_garbage_is_not() {
        assert_eq!(requested("120"), Some(Duration::from_secs(120)));
        assert_eq!(requested(" 0 "), Some(Duration::ZERO));
        assert_eq!(requested("99999999999999999999999"), Some(Duration::MAX));
        assert_eq!(requested("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        let century = requested("Tue, 31 Dec 2199 23:59:59 GMT").unwrap();
        assert!(century > Duration::from_secs(3_000_000_000));
        for garbage in ["", "soon", "-5", "1.5", "12 s", "Fri, 99 Foo 2199"] {
            assert_eq!(requested(garbage), None, "{garbage}");
        }
        assert_eq!(requested_pause(&HeaderMap::new()), None);
    }

    #[test]
    fn a_pause_is_written_in_whole_seconds_rounded_up() {
        let written = |millis| header(Duration::from_millis(millis)).unwrap();
        assert_eq!(
            [written(0), written(1), written(1000), written(1001)],
            ["1", "1", "1", "2"]
        );
    }
}
