//! Formats numbers for tables and budgets.

/// Formats a number with two or three digits.
pub(crate) fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        value if value == value.trunc() || value >= 100.0 => 0,
        value if value >= 1.95 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_few_and_enough() {
        let cases = [
            (0.0, "0"),
            (0.367, "0.37"),
            (1.3, "1.30"),
            (23.96, "24.0"),
            (229.6, "230"),
            (4096.0, "4096"),
            (-0.26, "-0.26"),
        ];
        for (value, text) in cases {
            assert_eq!(shown(value), text);
        }
    }
}
