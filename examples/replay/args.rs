//! The command line of the example.

use std::{error::Error, ffi::OsString, path::PathBuf, time::Duration};

const USAGE: &str =
    "usage: replay [trace.csv] [--config breaker.toml] [--worth 0.5] [--objective 500ms] [--per-key] [--plot out.svg]";

/// The arguments.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) trace: Option<PathBuf>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) worth: f64,
    pub(crate) objective: Option<Duration>,
    pub(crate) per_key: bool,
    pub(crate) plot: Option<PathBuf>,
    /// Where to write a new version of `trace.csv`.
    pub(crate) record: Option<PathBuf>,
}

impl Args {
    pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Self, Box<dyn Error>> {
        let mut args = args;
        let mut parsed = Self {
            trace: None,
            config: None,
            worth: 0.5,
            objective: None,
            per_key: false,
            plot: None,
            record: None,
        };
        while let Some(arg) = args.next() {
            let option = arg.to_str().filter(|arg| arg.starts_with("--")).map(str::to_owned);
            let Some(option) = option else {
                if parsed.trace.replace(arg.into()).is_some() {
                    return Err(format!("more than one trace; {USAGE}").into());
                }
                continue;
            };
            let mut value = || args.next().ok_or_else(|| format!("{option} needs a value; {USAGE}"));
            match &*option {
                "--per-key" => parsed.per_key = true,
                "--config" => parsed.config = Some(value()?.into()),
                "--plot" => parsed.plot = Some(value()?.into()),
                "--record" => parsed.record = Some(value()?.into()),
                "--worth" => parsed.worth = number(&option, &value()?)?,
                "--objective" => parsed.objective = Some(duration(&option, &value()?)?),
                _ => return Err(format!("{option} is unknown; {USAGE}").into()),
            }
        }
        Ok(parsed)
    }
}

fn number(option: &str, value: &OsString) -> Result<f64, String> {
    let text = value.to_string_lossy();
    text.parse()
        .map_err(|_| format!("{option} can't be {text:?}: a number such as 0.5 is accepted"))
}

/// Parses a duration like "500ms" or "1.5s".
fn duration(option: &str, value: &OsString) -> Result<Duration, String> {
    let text = value.to_string_lossy();
    let seconds = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(millis), _) => millis.parse().map(|millis: f64| millis / 1000.0),
        (None, Some(seconds)) => seconds.parse(),
        (None, None) => text.parse(),
    };
    seconds
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{option} can't be {text:?}: a time such as 500ms or 1.5s is accepted"))
}
