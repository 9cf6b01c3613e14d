//! The command line: what it prints, writes and rejects.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tower-breaker-protection"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Creates an empty directory for this test.
fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn misuse_is_reported_in_one_line_with_exit_code_2() {
    let bad = directory("misuse").join("bad.toml");
    fs::write(
        &bad,
        "name = \"x\"\ntitle = \"x\"\nduration = \"60s\"\narrivals = { rate = -1 }\n",
    )
    .unwrap();
    let bad = bad.to_str().unwrap();
    for (arguments, expected) in [
        (
            &["--scenario", "S99"][..],
            "no scenario is called \"S99\"; there is S1,",
        ),
        (
            &["--contestant", "unheard-of"],
            "no contestant is called \"unheard-of\"; there is tower-breaker,",
        ),
        (
            &["--scenario", bad],
            "bad.toml:4: arrivals.rate is -1, and should be 1e-6 to 1e6",
        ),
        (&["--scenario", "no/such.toml"], "no/such.toml: "),
        (&["--seeds", "many"], "invalid value 'many' for '--seeds <N>'"),
        (&["--quick", "--seeds", "3"], "cannot be used with"),
        (
            &["--scenario", "S20", "--seeds", "1", "--out", "/dev/null/x"],
            "/dev/null/x: ",
        ),
    ] {
        let output = run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.starts_with("error: ") && said.contains(expected),
            "{arguments:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    }
}

#[test]
fn users_scenario_is_run_and_written_to_its_directory() {
    let directory = directory("own");
    let file = directory.join("mine.toml");
    let text = "name = \"My & own\"\ntitle = \"a <test>\"\nduration = \"20s\"\narrivals = { rate = 50 }\n\
                [[fault]]\nfrom = \"5s\"\nlasts = \"5s\"\nerrors = 1.0\n";
    fs::write(&file, text).unwrap();
    let out = directory.join("out");
    let output = run(&[
        "--scenario",
        file.to_str().unwrap(),
        "--seeds",
        "2",
        "--out",
        out.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("| My & own |"), "{printed}");
    let mut names: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "details.md",
            "heatmap.svg",
            "overview.md",
            "regret.svg",
            "runs.csv",
            "summary.csv",
            "timeline-my---own.svg"
        ]
    );
    let drawn = fs::read_to_string(out.join("timeline-my---own.svg")).unwrap();
    assert!(drawn.contains("My &amp; own a &lt;test&gt;"));
}

#[test]
fn list_has_all_contestants_and_scenarios() {
    let printed = String::from_utf8(run(&["--list"]).stdout).unwrap();
    assert!(printed.lines().any(|line| line.starts_with("  tower-breaker ")));
    assert!(printed.lines().any(|line| line.trim() == "S20  few workers"));
}
