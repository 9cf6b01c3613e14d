//! The rules of `ARCHITECTURE.md`, and the tests that hold them.
//!
//! Under the heading "Rules" of `ARCHITECTURE.md`, a rule is a list item: its number, its name in
//! bold, what it says, and the paths of its tests between backticks. A rule that no test holds says
//! that it is not kept yet.
//!
//! In a test, a comment cites rules in one form, from its beginning: `// Rule 9: text`,
//! `// Rules 1 and 2: text`, or `//! Rules 9, 10`.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::{read, root, rust_files};

/// The rules that the breaker keeps: no change may lose one.
const KEPT: std::ops::RangeInclusive<u32> = 1..=20;

const NOT_KEPT: &str = "not kept yet";

/// The rules of a page, by their numbers: each with its whole text.
fn rules(page: &str) -> BTreeMap<u32, String> {
    let lines = page.lines().skip_while(|line| *line != "## Rules").skip(1);
    let mut rules = BTreeMap::<u32, String>::new();
    let mut current = None;
    for line in lines.take_while(|line| !line.starts_with("## ")) {
        if let Some((number, text)) = item(line) {
            assert!(rules.insert(number, text.to_owned()).is_none(), "rule {number} twice");
            current = Some(number);
        } else if let Some(text) = current.and_then(|number| rules.get_mut(&number)) {
            text.push(' ');
            text.push_str(line);
        }
    }
    rules
}

/// The number of a rule and its text, where a line begins one.
fn item(line: &str) -> Option<(u32, &str)> {
    let (number, text) = line.split_once(". ")?;
    Some((number.parse().ok()?, text))
}

/// The files of tests that a text names, between backticks.
fn test_files(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|name| name.starts_with("tests/") && name.ends_with(".rs"))
        .collect()
}

/// The numbers that a line cites: an error where it is a comment that cites them in another form.
fn cited(line: &str) -> Result<Vec<u32>, String> {
    let line = line.trim_start();
    let Some(comment) = line.strip_prefix("//") else {
        return Ok(Vec::new());
    };
    let comment = comment.trim_start_matches(['/', '!']).trim_start();
    let mentions = ["rule", "rules"].into_iter().any(|word| {
        let lower = comment.to_lowercase();
        let mut after = lower.split(word).skip(1).map(str::trim_start);
        after.any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    if !mentions {
        return Ok(Vec::new());
    }
    let list = comment.split_once(':').map_or(comment, |(list, _)| list);
    let form = || format!("not `Rule N: text` or `Rules N and M: text`: {line}");
    let numbers = match (list.strip_prefix("Rule "), list.strip_prefix("Rules ")) {
        (Some(one), _) => one.parse().map(|number| vec![number]),
        (_, Some(several)) => several.replace(" and ", ", ").split(", ").map(str::parse).collect(),
        _ => return Err(form()),
    };
    numbers.map_err(|_| form())
}

/// The rules that each file of tests cites.
fn citations() -> BTreeMap<String, BTreeSet<u32>> {
    let mut citations = BTreeMap::<_, BTreeSet<_>>::new();
    for file in rust_files("tests") {
        let name = file.to_str().unwrap().replace('\\', "/");
        if name.starts_with("tests/architecture/") {
            continue;
        }
        for line in read(&file).lines() {
            let numbers = cited(line).unwrap_or_else(|error| panic!("{name}: {error}"));
            citations.entry(name.clone()).or_default().extend(numbers);
        }
    }
    citations
}

#[test]
fn each_rule_that_a_test_cites_exists() {
    let rules = rules(&read("ARCHITECTURE.md"));
    for (file, numbers) in citations() {
        for number in numbers {
            assert!(rules.contains_key(&number), "{file}: there is no rule {number}");
        }
    }
}

#[test]
fn each_rule_names_tests_that_exist_and_cite_it() {
    let (rules, citations) = (rules(&read("ARCHITECTURE.md")), citations());
    let numbers: Vec<u32> = rules.keys().copied().collect();
    assert_eq!(
        numbers,
        (1..=numbers.len() as u32).collect::<Vec<_>>(),
        "no number is left out"
    );
    assert!(numbers.len() as u32 >= *KEPT.end());
    for (number, text) in &rules {
        let files = test_files(text);
        if text.contains(NOT_KEPT) {
            assert!(!KEPT.contains(number), "rule {number} was kept");
            continue;
        }
        for file in &files {
            assert!(root().join(file).is_file(), "rule {number}: there is no {file}");
        }
        let cites = |file: &&str| citations.get(*file).is_some_and(|numbers| numbers.contains(number));
        assert!(files.iter().any(cites), "rule {number}: none of {files:?} cites it");
    }
}

#[test]
fn rules_are_read_with_the_lines_that_go_on() {
    let page = "# Page\n1. no rule\n## Rules\nText.\n\n1. **One.** It\n   goes on. `tests/a.rs`\n2. **Two.** `b.rs`\n\n## Then\n3. no";
    let rules = rules(page);
    assert_eq!(rules.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(test_files(&rules[&1]), ["tests/a.rs"]);
    assert_eq!(test_files(&rules[&2]), [""; 0]);
}

#[test]
fn citations_are_read_in_their_one_form() {
    assert_eq!(cited("// Rule 9: never more than its share."), Ok(vec![9]));
    assert_eq!(cited("    /// Rule 15: numbered in order: each."), Ok(vec![15]));
    assert_eq!(cited("// Rules 1 and 2: every permit ends."), Ok(vec![1, 2]));
    assert_eq!(cited("//! Rules 9, 10"), Ok(vec![9, 10]));
    assert_eq!(cited("// Rules 1, 2 and 3: all."), Ok(vec![1, 2, 3]));
    assert_eq!(cited("// As a rule, 9 of them."), Ok(vec![]));
    assert_eq!(cited("let rule = 9;"), Ok(vec![]));
    for line in [
        "// See rule 9.",
        "// Rule 9, however many.",
        "// Rule 9",
        "// Rules 9 to 11: all.",
    ] {
        assert_eq!(cited(line).is_err(), line != "// Rule 9", "{line}");
    }
}
