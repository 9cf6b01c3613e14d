//! The same seeds give the same results.

use bench_common::files::File;
use tower_breaker_protection::{ranking::Ranking, report, run::Bench, scenario::Scenario};

use crate::contestants::ours_and_none;

/// Returns all files of a small benchmark.
fn files(threads: usize) -> Vec<File> {
    let scenarios: Vec<_> = Scenario::built_in()
        .into_iter()
        .filter(|scenario| ["S1", "S7", "S8", "S20"].contains(&scenario.name.as_str()))
        .collect();
    let entries = ours_and_none();
    let bench = Bench {
        scenarios: &scenarios,
        entries: &entries,
        first_seed: 7,
        seeds: 2,
        reject: false,
    };
    let results = bench.run(threads, &|_| ());
    let ranking = Ranking::of(&bench, &results).unwrap();
    let mut files = report::tables(&bench, &results, &ranking);
    files.extend(report::plots(&bench, &results, &ranking, threads));
    files
}

#[test]
fn same_seeds_give_the_same_bytes_on_any_number_of_threads() {
    let once = files(1);
    let names: Vec<_> = once.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "overview.md",
            "details.md",
            "summary.csv",
            "runs.csv",
            "regret.svg",
            "heatmap.svg",
            "timeline-s1.svg",
            "timeline-s7.svg",
            "timeline-s8.svg",
            "timeline-s20.svg"
        ]
    );
    for threads in [1, 3] {
        for (one, other) in once.iter().zip(files(threads)) {
            assert!(one == &other, "{} differs with {threads} threads", one.name);
        }
    }
}
