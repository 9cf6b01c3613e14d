//! Formats figures.

use crate::statistics::Estimate;

/// Stands in a cell without a figure.
pub(super) const NOTHING: &str = "–";

/// Formats answers per 1000: one decimal below a hundred, otherwise none.
pub(crate) fn regret(regret: f64) -> String {
    let figure = fixed(regret, 1);
    let long = figure.trim_start_matches('-').len() > "99.9".len();
    if long { fixed(regret, 0) } else { figure }
}

pub(crate) fn regret_with_error(estimate: Estimate) -> String {
    match estimate.error {
        Some(error) => format!("{} ± {}", regret(estimate.mean), regret(error)),
        None => regret(estimate.mean),
    }
}

/// Formats a number, without a minus before a zero.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    let figure = format!("{value:.decimals$}");
    match figure.strip_prefix('-') {
        Some(zero) if zero.chars().all(|digit| matches!(digit, '0' | '.')) => zero.to_owned(),
        _ => figure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regret_has_three_digits_or_so() {
        for (value, shown) in [
            (0.0, "0.0"),
            (-0.04, "0.0"),
            (-1.26, "-1.3"),
            (99.94, "99.9"),
            (99.96, "100"),
            (724.4, "724"),
            (-123.4, "-123"),
        ] {
            assert_eq!(regret(value), shown);
        }
    }
}
