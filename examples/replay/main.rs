//! Replays recorded calls: what would a breaker have done with them, and which parameters suit
//! them?
//!
//! Shows how to read a trace, how to let `Suggest` find parameters, and how to compare them with
//! your own configuration.
//!
//! Run it with `cargo run --example replay`. Without a trace it replays the small one beside this
//! file, under `breaker.toml`. For your own:
//!
//! ```console
//! cargo run --example replay -- trace.csv [--config breaker.toml] [--worth 0.5]
//!     [--objective 500ms] [--per-key] [--plot out.svg]
//! ```
//!
//! The trace is CSV (`time,key,outcome,latency`) or JSON lines with the same names, from a
//! `Recorder` or from any log. `--worth` is the worth of the backup's answer, compared with 1 for a
//! good one of the primary. An answer after `--objective` is worth nothing.

mod args;
mod plot;
mod progress;
mod record;

use std::{
    error::Error,
    fs::{self, File},
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use tower_breaker::{
    Config,
    replay::{Replay, ReplayedCall, Suggest, Trace},
};

use crate::{
    args::Args,
    plot::Timeline,
    progress::{Counted, Progress},
};

/// A minute of a primary that fails, hangs and is slow in turn. `--record
/// examples/replay/trace.csv` recorded it.
const TRACE: &str = include_str!("trace.csv");
const OBJECTIVE: Duration = Duration::from_millis(300);
const CONFIG: &str = include_str!("breaker.toml");

fn read(args: &Args) -> Result<Trace, Box<dyn Error>> {
    let Some(path) = &args.trace else {
        return Ok(Trace::read_csv(TRACE.as_bytes())?);
    };
    let named = |error: &dyn Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| named(&error))?;
    let bytes = file.metadata().map(|metadata| metadata.len())?;
    let file = Counted::new(file, Progress::new("reading", bytes));
    let is_json = path
        .extension()
        .is_some_and(|extension| ["json", "jsonl", "ndjson"].iter().any(|json| extension == *json));
    let read = if is_json {
        Trace::read_json_lines(file)
    } else {
        Trace::read_csv(file)
    };
    Ok(read.map_err(|error| named(&error))?)
}

fn config(args: &Args) -> Result<Option<Config>, Box<dyn Error>> {
    let text = match (&args.config, &args.trace) {
        (Some(path), _) => fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?,
        (None, None) => CONFIG.to_owned(),
        (None, Some(_)) => return Ok(None),
    };
    Ok(Some(toml::from_str(&text)?))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let (trace, own) = (read(args)?, config(args)?);
    let objective = args.objective.or(args.trace.is_none().then_some(OBJECTIVE));
    writeln!(out, "The trace: {trace}.\n")?;

    let suggest = Suggest::new(args.worth).objective(objective);
    let suggest = if args.per_key { suggest.per_key() } else { suggest };
    let mut progress = Progress::new("looking for parameters, replay", 0);
    let suggestion = suggest.run_with(&trace, |done| progress.at(done as u64 + 1))?;
    progress.end();
    writeln!(out, "Suggested.\n{suggestion}\n")?;

    let mut replayed = &suggestion.config;
    if let Some(own) = &own {
        writeln!(out, "Compared.\n{}", suggestion.compare(own.clone(), &trace)?)?;
        replayed = own;
    }
    let replay = Replay::new(replayed.clone()).worth(args.worth).objective(objective);
    let replay = if args.per_key { replay.per_key() } else { replay };
    let mut progress = Progress::new("replaying", trace.calls().len() as u64);
    let mut timeline = Timeline::new(&trace);
    let report = replay.run_with(&trace, |call: ReplayedCall<'_>| {
        progress.step();
        timeline.note(&call);
    })?;
    progress.end();
    let whose = if own.is_some() {
        "your configuration"
    } else {
        "the suggested configuration"
    };
    writeln!(out, "Replayed under {whose}.\n{report}")?;

    if let Some(path) = &args.plot {
        fs::write(path, timeline.svg(&report)).map_err(|error| format!("{}: {error}", path.display()))?;
        writeln!(out, "\nThe picture is in {}.", path.display())?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let done = Args::parse(std::env::args_os().skip(1)).and_then(|args| match &args.record {
        Some(path) => record::record(path),
        None => run(&args),
    });
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    eprintln!("replay: {error}");
    ExitCode::FAILURE
}
