//! Errors of scenario files name the file, the line and the field.

use tower_breaker_protection::scenario::Scenario;

const SOUND: &str = r#"name = "mine"
title = "my own"
duration = "60s"

[arrivals]
rate = 10
keys = 4

[client]
retries = 1
retry_after = { uniform = ["10ms", "20ms"] }

[[fault]]
from = "10s"
lasts = "20s"
key = 3
errors = 1.0
"#;

/// Returns the error for a sound file in which one thing was changed.
fn error(from: &str, to: &str) -> String {
    assert!(SOUND.contains(from), "{from}");
    let text = SOUND.replacen(from, to, 1);
    Scenario::parse(&text, "my.toml").unwrap_err().to_string()
}

#[test]
fn sound_file_is_read() {
    let scenario = Scenario::parse(SOUND, "my.toml").unwrap();
    assert_eq!((scenario.name.as_str(), scenario.faults.len()), ("mine", 1));
}

#[test]
fn built_in_scenarios_are_sound() {
    let scenarios = Scenario::built_in();
    assert_eq!(scenarios.len(), 20);
    for (index, scenario) in scenarios.iter().enumerate() {
        assert_eq!(scenario.name, format!("S{}", index + 1));
    }
    assert_eq!(scenarios.iter().filter(|scenario| scenario.in_mean).count(), 13);
}

#[test]
fn errors_name_file_line_and_field() {
    for (from, to, expected) in [
        (
            "rate = 10",
            "rate = 0",
            "my.toml:6: arrivals.rate is 0, and should be 1e-6 to 1e6",
        ),
        (
            "rate = 10",
            "rate = inf",
            "my.toml:6: arrivals.rate is inf, and should be 1e-6 to 1e6",
        ),
        (
            "rate = 10",
            "callers = 3",
            "my.toml:5: arrivals.pause is not there, and should be 1ms or more where there are callers",
        ),
        (
            "rate = 10",
            "rate = 10\ncallers = 3",
            "my.toml:6: arrivals.rate is 10, and should be given, or `callers` in its place",
        ),
        (
            "keys = 4",
            "keys = 2",
            "my.toml:16: fault.key is 3, and should be below arrivals.keys",
        ),
        (
            "key = 3",
            "key = 4",
            "my.toml:16: fault.key is 4, and should be below arrivals.keys",
        ),
        (
            "errors = 1.0",
            "errors = 1.1",
            "my.toml:17: fault.errors is 1.1, and should be 0 to 1",
        ),
        (
            "errors = 1.0",
            "hangs = nan",
            "my.toml:17: fault.hangs is nan, and should be 0 to 1",
        ),
        (
            "errors = 1.0",
            "down = true",
            "my.toml:17: fault.down is true, and should be true with a [pool] only",
        ),
        (
            "retries = 1",
            "retries = 61",
            "my.toml:10: client.retries is 61, and should be 0 to 60",
        ),
        (
            "\"60s\"",
            "\"0s\"",
            "my.toml:3: duration is \"0s\", and should be 1s or more",
        ),
        (
            "\"60s\"",
            "\"300days\"",
            "my.toml:3: duration is \"300days\", and should be short enough for 100 million requests",
        ),
        (
            "\"mine\"",
            "\" \"",
            "my.toml:1: name is \" \", and should be a few letters",
        ),
    ] {
        assert_eq!(error(from, to), expected);
    }
}

#[test]
fn fault_that_is_wrong_is_found_among_others() {
    let text = format!("{SOUND}\n[[fault]]\nfrom = \"40s\"\nslower = 0\n");
    let error = Scenario::parse(&text, "my.toml").unwrap_err().to_string();
    assert_eq!(error, "my.toml:21: fault.slower is 0, and should be above 0, up to 1e6");
}

#[test]
fn unknown_field_is_reported_with_the_known_ones() {
    let error = error("errors = 1.0", "erors = 1.0");
    assert!(
        error.starts_with("my.toml:17: unknown field `erors`, expected one of `from`, `lasts`"),
        "{error}"
    );
}

#[test]
fn wrong_type_is_shown() {
    let said = error("rate = 10", "rate = \"many\"");
    assert_eq!(
        said,
        "my.toml:6: invalid type: string \"many\", expected f64, in `rate = \"many\"`"
    );
    let said = error("from = \"10s\"", "from = 10");
    assert!(
        said.starts_with("my.toml:14: expected a duration, { uniform = [from, to] }"),
        "{said}"
    );
    assert!(said.ends_with("in `from = 10`"), "{said}");
}

#[test]
fn duration_has_a_unit_and_an_end() {
    let said = error("duration = \"60s\"", "duration = \"60\"");
    assert!(said.starts_with("my.toml:3: \"60\" is no duration such as"), "{said}");
    let said = error("duration = \"60s\"", "duration = \"2years\"");
    assert!(
        said.starts_with("my.toml:3: \"2years\" is longer than a year"),
        "{said}"
    );
}

#[test]
fn range_that_falls_is_no_range() {
    let said = error("[\"10ms\", \"20ms\"]", "[\"20ms\", \"10ms\"]");
    assert_eq!(
        said,
        "my.toml:11: client.retry_after is { uniform = [\"20ms\", \"10ms\"] }, and should be a duration, or a range that rises"
    );
    let said = error("lasts = \"20s\"", "lasts = { exponential = \"0s\" }");
    assert!(
        said.starts_with("my.toml:15: fault.lasts is { exponential = \"0s\" }"),
        "{said}"
    );
}

#[test]
fn repetition_needs_an_end() {
    let said = error("lasts = \"20s\"", "every = \"20s\"");
    assert_eq!(
        said,
        "my.toml:15: fault.every is \"20s\", and should be 1ms or more, with `lasts` beside it"
    );
}

#[test]
fn empty_file_lacks_a_name() {
    let said = Scenario::parse("", "my.toml").unwrap_err().to_string();
    assert_eq!(said, "my.toml:1: missing field `name`");
}

#[test]
fn arrivals_are_required() {
    let said = error("[arrivals]\nrate = 10\nkeys = 4\n", "");
    assert!(said.contains("missing field `arrivals`"), "{said}");
    let said = error("rate = 10\nkeys = 4", "");
    assert_eq!(
        said,
        "my.toml:5: arrivals.rate is not there, and should be given, or `callers` in its place"
    );
}

#[test]
fn invalid_toml_is_reported_in_one_line() {
    let said = error("duration = \"60s\"", "duration = ");
    assert!(said.starts_with("my.toml:3: ") && !said.contains('\n'), "{said}");
    let error = Scenario::read(std::path::Path::new("no/such/file.toml"))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("no/such/file.toml: "), "{error}");
}
