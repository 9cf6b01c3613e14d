//! A benchmark's results as files. The same results give the same bytes.

use std::fmt::Write;

use bench_common::files::File;

use crate::{
    entry::Entry,
    measure::Measures,
    parallel,
    plot::{self, Panel},
    ranking::{Ranking, Row},
    run::{Bench, Results},
    table::{self, Precision},
};

/// Returns the files with tables.
pub fn tables(bench: &Bench<'_>, results: &Results, ranking: &Ranking) -> Vec<File> {
    vec![
        File::new("overview.md", overview(bench, results, ranking)),
        File::new("details.md", details(bench, results, ranking)),
        File::new("summary.csv", table::summary_csv(bench, results)),
        File::new("runs.csv", table::runs_csv(bench, results)),
    ]
}

/// The most other breakers that a timeline shows, beside this project's and the row without a
/// breaker.
const PEERS: usize = 3;

/// Returns the files with pictures. Repeats the runs that have a timeline, on this many threads.
pub fn plots(bench: &Bench<'_>, results: &Results, ranking: &Ranking, threads: usize) -> Vec<File> {
    let rows = shown(bench, ranking);
    let jobs: Vec<_> = (0..bench.scenarios.len())
        .flat_map(|scenario| rows.iter().map(move |row| (scenario, row.entry)))
        .collect();
    let panels = parallel::map(&jobs, threads, |(scenario, entry)| {
        let (measured, entry_index) = (&results.scenarios[*scenario], *entry);
        let (scenario, entry) = (&bench.scenarios[*scenario], &bench.entries[entry_index]);
        Panel {
            name: entry.name,
            about: about(&measured.entries[entry_index][0], &measured.reference[0]),
            timeline: bench.timeline(scenario, entry, plot::SLOTS),
        }
    });
    let overviews = [
        File::new("regret.svg", plot::regret(bench, ranking)),
        File::new("heatmap.svg", plot::heatmap(bench, ranking)),
    ];
    let timelines = bench.scenarios.iter().zip(panels.chunks(rows.len().max(1)));
    let timelines = timelines.map(|(scenario, panels)| {
        let content = plot::timeline(scenario, bench.first_seed, panels);
        File::new(format!("timeline-{}.svg", scenario.slug()), content)
    });
    overviews.into_iter().chain(timelines).collect()
}

/// Returns the rows that have a timeline: this project's, the best of the others, and the one
/// without a breaker.
fn shown<'r>(bench: &'r Bench<'_>, ranking: &'r Ranking) -> Vec<&'r Row> {
    let none = ranking
        .rows
        .iter()
        .filter(|row| bench.entries[row.entry].name == Entry::NONE);
    let peers = ranking.peers(bench).take(PEERS);
    ranking.ours(bench).into_iter().chain(peers).chain(none).collect()
}

/// Summarizes one run in a few words.
fn about(run: &Measures, reference: &Measures) -> String {
    let lost = run.errors + run.slow + run.dropped;
    let trips = match run.trips {
        0 => "no trip".to_owned(),
        1 => "1 trip".to_owned(),
        trips => format!("{trips} trips"),
    };
    format!("regret {}, {lost} lost, {trips}", table::regret(run.regret(reference)))
}

fn overview(bench: &Bench<'_>, results: &Results, ranking: &Ranking) -> String {
    let mut text = format!(
        "# Regret\n\n{}\n{}\n## With standard errors\n\n{}\n",
        table::caption(bench),
        table::overview(bench, ranking, Precision::Figures),
        table::overview(bench, ranking, Precision::WithErrors),
    );
    if let Some(ours) = ranking.ours(bench) {
        let ours = bench.entries[ours.entry].name;
        let losses = table::losses(bench, results, ranking);
        let _ = writeln!(text, "## Where {ours} loses\n");
        let _ = if bench.seeds < 2 {
            writeln!(text, "One seed has no standard error.")
        } else if losses.rows.is_empty() {
            writeln!(text, "Nowhere, by more than two standard errors.")
        } else {
            write!(
                text,
                "By more than two standard errors of the difference, which is taken seed by seed.\n\n{losses}"
            )
        };
    }
    text
}

fn details(bench: &Bench<'_>, results: &Results, ranking: &Ranking) -> String {
    let mut text = String::from(
        "# Details\n\nMeans per run; where only some of the runs have a figure, their number is beside it. *Time to trip*: from the \
         first fault. *Wasted calls*: at a primary from which the reference would have kept them. *p99*: of all answers, errors and \
         timeouts too. *False trips*: with nothing wrong, or nothing bad enough. *Reopened*: from half-open to open; *in recovery*: \
         after the last fault. *Back to 90 %*: from the end of the last fault until 18 of 20 calls go to the primary. *Peak load*: the \
         most calls in a second since the first fault, as a multiple of what the primary can take.\n",
    );
    for (index, scenario) in bench.scenarios.iter().enumerate() {
        let table = table::details(bench, results, ranking, index);
        let _ = write!(
            text,
            "\n## {} {}\n\n{table}",
            table::cell(&scenario.name),
            table::cell(&scenario.title)
        );
    }
    text
}
