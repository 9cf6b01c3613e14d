//! Holds the README's scenario to what the benchmark reads.

use tower_breaker_protection::scenario::Scenario;

const README: &str = include_str!("../../README.md");

fn example() -> &'static str {
    let (_, from) = README.split_once("```toml\n").unwrap();
    from.split_once("```").unwrap().0
}

#[test]
fn example_of_a_scenario_can_be_run() {
    let scenario = Scenario::parse(example(), "README.md").unwrap();
    assert_eq!((scenario.name.as_str(), scenario.faults.len()), ("mine", 2));
}

#[test]
fn example_without_its_second_fault_and_its_pool_is_one_for_callers() {
    let text = example()
        .replace("rate = 100  ", "# rate = 100")
        .replace("# callers", "callers")
        .replace("# pause =", "pause =");
    let scenario = Scenario::parse(&text, "README.md").unwrap();
    assert_eq!(scenario.arrivals.callers, Some(2));
}

/// Returns the fields of a table, from the error for an unknown field.
fn fields(table: &str) -> Vec<String> {
    let mut lines: Vec<_> = example().lines().collect();
    let head = lines.iter().position(|line| line.starts_with(table)).unwrap();
    // The top level has no heading.
    lines.insert(if table.is_empty() { 0 } else { head + 1 }, "unknown = 1");
    let error = Scenario::parse(&lines.join("\n"), "README.md").unwrap_err().to_string();
    let (_, fields) = error.split_once("expected one of ").unwrap();
    let fields = fields.split(", in `").next().unwrap_or(fields);
    fields
        .split(", ")
        .map(|field| field.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn example_shows_every_field() {
    for place in [
        "",
        "[arrivals]",
        "[client]",
        "[service]",
        "[backup]",
        "[pool]",
        "[[fault]]",
    ] {
        for field in fields(place) {
            let shown = ["# ", ""].iter().any(|comment| {
                example().lines().any(|line| {
                    line.starts_with(&format!("{comment}{field} ="))
                        || line.trim_start_matches('[').starts_with(&format!("{field}]"))
                })
            });
            assert!(shown, "{place} {field}");
        }
    }
}
