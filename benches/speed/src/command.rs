//! What each command line does: measure and report, guard, count under callgrind, or one of the
//! special measurements.

use std::{error::Error, fs, io, path::Path, process::ExitCode};

use bench_common::progress::Progress;
use tower_breaker_speed::{
    console,
    guard::{self, Comparison, Counts, Standing},
    instructions,
    keys::{self, Keys},
    report,
    row::Row,
    run::{self, Plan},
    table,
};

use crate::args::Args;

pub(crate) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    // The contestants take their clocks, timers and tasks from tokio. No future runs on this
    // runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let _in_runtime = runtime.enter();
    if !args.under_callgrind.is_empty() {
        instructions::run_regions(args.under_callgrind.iter().copied().map(Row::subject));
        return Ok(ExitCode::SUCCESS);
    }
    if args.guard {
        return guard(args.record);
    }
    if args.console {
        let (ratio, bytes) = console::watched_to_unwatched(&|done, all| eprintln!("round {done} of {all}"));
        println!(
            "calls a second with 50 readers of 1000 breakers ÷ with none: {ratio:?}; they read {:.1} MB/s",
            bytes / 1e6
        );
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(keys) = args.keys {
        let Keys {
            keys,
            bytes_a_key,
            ns_to_add,
            ns_a_call,
        } = keys::measured(keys);
        println!("{keys} keys: {bytes_a_key:.0} bytes each, {ns_to_add:.0} ns to add one, {ns_a_call:.0} ns a call");
        return Ok(ExitCode::SUCCESS);
    }
    measure(args)
}

fn measure(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let plan = Plan {
        contestants: args.contestants(),
        paths: args.paths(),
        quick: args.quick,
    };
    let progress = Progress::new(plan.work());
    let figures = plan.run(&|work| progress.advance(work), &|text| eprintln!("{text}"))?;
    progress.finish();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = args
        .out
        .clone()
        .or_else(|| args.is_full().then(|| package.join("docs")));
    if let Some(directory) = &directory {
        report::write(&figures, directory)?;
    }
    if args.is_full() && args.out.is_none() {
        report::into_readme(&figures, &package.join("README.md"))?;
    }
    print!(
        "{}\n{}\n{}",
        table::caption(),
        table::overview(&figures),
        table::budgets(&figures)
    );
    if let Some(directory) = directory {
        println!("\nAll figures are in {}.", directory.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn guard(record: bool) -> Result<ExitCode, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bounds.toml");
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let counts = run::instructions(&guard::rows())?.ok_or("no valgrind here: nothing was counted, and nothing held")?;
    let measured = Counts::of(&counts);
    let recorded = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Counts::default(),
        text => Counts::parse(&text.map_err(named)?).map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let comparisons = recorded.compare(&measured);
    println!("Instructions per call, recorded → counted:");
    comparisons.iter().for_each(|comparison| println!("{comparison}"));
    if record {
        fs::write(&path, measured.to_string()).map_err(named)?;
        println!("Recorded in {}.", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    if comparisons
        .iter()
        .any(|comparison| comparison.standing() == Standing::Better)
    {
        println!("Better than recorded: `cargo run --release -- --guard --record` keeps it so.");
    }
    if comparisons.iter().any(Comparison::fails) {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
