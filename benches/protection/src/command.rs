//! What the command line does: run the scenarios, write the results, and compare or record this
//! project's figures.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use bench_common::{files, progress::Progress};
use tower_breaker_protection::{
    bounds::{self, Bounds},
    entry::Entry,
    ranking::Ranking,
    report,
    roster::{self, OURS},
    run::{Bench, Results},
    scenario::Scenario,
    select,
    table::{self, Precision},
};

use crate::args::Args;

pub(crate) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    if args.list {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    let scenarios = select::scenarios(&args.scenarios)?;
    let entries = if args.quick && args.contestants.is_empty() {
        OURS.to_vec()
    } else {
        select::contestants(&args.contestants)?
    };
    let bench = bench(args, &scenarios, &entries);
    if let Some(directory) = directory(args) {
        files::write(&directory, &[])?; // Fails now if the directory can't be written.
    }
    let threads = threads(args);
    let progress = Progress::new(bench.work());
    let results = bench.run(threads, &|work| progress.advance(work));
    progress.finish();
    let Some(ranking) = Ranking::of(&bench, &results) else {
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(directory) = directory(args) {
        let mut files = report::tables(&bench, &results, &ranking);
        if !args.no_plots {
            eprintln!("Drawing.");
            files.extend(report::plots(&bench, &results, &ranking, threads));
        }
        files::write(&directory, &files)?;
    }
    print!(
        "{}\n{}",
        table::caption(&bench),
        table::overview(&bench, &ranking, Precision::Figures)
    );
    if let Some(directory) = directory(args) {
        println!("\nAll results are in {}.", directory.display());
    }
    if args.quick {
        return check(args, &bench, &results);
    }
    Ok(ExitCode::SUCCESS)
}

fn list() {
    let entries = roster::all();
    println!("Contestants:");
    print_list(entries.iter().map(|entry| (entry.name, entry.about)));
    let scenarios = Scenario::built_in();
    println!("\nScenarios:");
    print_list(
        scenarios
            .iter()
            .map(|scenario| (scenario.name.as_str(), scenario.title.as_str())),
    );
}

fn print_list<'a>(lines: impl Iterator<Item = (&'a str, &'a str)> + Clone) {
    let width = lines.clone().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, about) in lines {
        println!("  {name:width$}  {about}");
    }
}

fn bench<'a>(args: &Args, scenarios: &'a [Scenario], entries: &'a [Entry]) -> Bench<'a> {
    let (first_seed, seeds) = if args.quick {
        (bounds::FIRST_SEED, bounds::SEEDS)
    } else {
        (args.first_seed, args.seeds)
    };
    Bench {
        scenarios,
        entries,
        first_seed,
        seeds,
        reject: args.reject,
    }
}

fn directory(args: &Args) -> Option<PathBuf> {
    let by_default = || (!args.quick).then(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("results"));
    args.out.clone().or_else(by_default)
}

fn threads(args: &Args) -> usize {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    args.threads.map_or_else(cores, usize::from)
}

/// Compares this project's figures with the recorded ones, or records them.
fn check(args: &Args, bench: &Bench<'_>, results: &Results) -> Result<ExitCode, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bounds.toml");
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let measured = Bounds::of(bench, results);
    if args.record {
        fs::write(&path, measured.to_string()).map_err(named)?;
        println!("\nRecorded in {}.", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let text = fs::read_to_string(&path).map_err(named)?;
    let recorded = Bounds::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let differences = recorded.differences(bench, &measured);
    if differences.rows.is_empty() {
        println!("\nAs recorded.");
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nNot as recorded:\n\n{differences}");
    Ok(ExitCode::FAILURE)
}
