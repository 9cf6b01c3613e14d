//! Seconds as decimal text, exact to the nanosecond.
//!
//! An `f64` holds seconds since 1970 only to the nearest 200 ns, and the order of calls can depend
//! on less. The reader, the recorder and the report use this instead.

/// Decimal digits of a nanosecond in seconds.
const DIGITS: i64 = 9;
/// What an error says is accepted.
pub(crate) const ACCEPTED: &str = "seconds from 0 to 18446744073, as a decimal number such as 12.25";

/// Parses seconds into nanoseconds, rounded. Returns `None` for anything but a number from 0 to
/// `u64::MAX` nanoseconds.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i16>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut digits = 0_u128;
    let mut scale = DIGITS + i64::from(exponent) - fraction.len() as i64;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        // Further digits can't change the nanoseconds. Only their number counts.
        if digits > u128::MAX / 100 {
            scale += 1;
        } else {
            digits = digits * 10 + u128::from(digit - b'0');
        }
    }
    let power = |power: i64| 10_u128.checked_pow(power.unsigned_abs().try_into().ok()?);
    let nanos = match power(scale) {
        _ if digits == 0 => 0,
        Some(factor) if scale >= 0 => digits.checked_mul(factor)?,
        Some(divisor) => (digits + divisor / 2) / divisor,
        None if scale > 0 => return None,
        None => 0,
    };
    nanos.try_into().ok()
}

/// Returns the shortest text for so many nanoseconds, in seconds.
pub(crate) fn text(nanos: u64) -> String {
    let (whole, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if fraction == 0 {
        return whole.to_string();
    }
    let text = format!("{whole}.{fraction:09}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_since_1970_are_exact_to_the_nanosecond() {
        for (text, nanos) in [
            ("0", 0),
            ("12", 12_000_000_000),
            ("1764036850.123456789", 1_764_036_850_123_456_789),
            ("1764036850.000000001", 1_764_036_850_000_000_001),
            (".5", 500_000_000),
            ("5.", 5_000_000_000),
            ("+0.25", 250_000_000),
            ("5e-05", 50_000),
            ("1.5E2", 150_000_000_000),
            ("0.12300000000000001", 123_000_000),
            ("0.0000000015", 2),
            ("0.00000000049999", 0),
            ("1e-400", 0),
            ("0e9999", 0),
            ("18446744073.709551615", u64::MAX),
            ("00000000000000000000000000000000000000000001", 1_000_000_000),
        ] {
            assert_eq!(parse(text), Some(nanos), "{text}");
        }
    }

    #[test]
    fn invalid_times_are_rejected() {
        let huge = "9".repeat(400);
        for text in [
            "",
            ".",
            "-1",
            "-0.5",
            "+-1",
            "NaN",
            "nan",
            "inf",
            "1e999",
            "1e99999",
            "1,5",
            "1 2",
            "0x10",
            "1.2.3",
            "e5",
            "18446744073.709551616",
            &huge,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn written_times_read_back_the_same() {
        for nanos in [
            0,
            1,
            10,
            999_999_999,
            1_000_000_000,
            1_764_036_850_123_456_780,
            u64::MAX,
        ] {
            assert_eq!(parse(&text(nanos)), Some(nanos));
        }
        assert_eq!(text(12_500_000_000), "12.5");
    }
}
