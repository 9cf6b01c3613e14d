//! The command line of the gateway.

use std::{ffi::OsString, path::PathBuf};

pub(crate) const USAGE: &str = "usage: gateway                       a demonstration, which ends by itself
       gateway --keep                one that goes on until stopped
       gateway gateway.toml          serves until stopped
       gateway --check gateway.toml  says what is wrong with a file";

/// The arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Args {
    Demonstrate { keep: bool },
    Serve(PathBuf),
    Check(PathBuf),
    Help,
}

impl Args {
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let (mut check, mut keep) = (false, false);
        let mut file = None;
        for arg in args {
            match arg.to_str() {
                Some("--check") => check = true,
                Some("--keep") => keep = true,
                Some("--help" | "-h") => return Ok(Self::Help),
                Some(option) if option.starts_with('-') => return Err(format!("{option} is unknown\n{USAGE}")),
                _ if file.is_none() => file = Some(PathBuf::from(arg)),
                _ => return Err(format!("one file is enough\n{USAGE}")),
            }
        }
        match (check, file) {
            (false, None) => Ok(Self::Demonstrate { keep }),
            _ if keep => Err(format!("--keep is for the demonstration\n{USAGE}")),
            (false, Some(file)) => Ok(Self::Serve(file)),
            (true, Some(file)) => Ok(Self::Check(file)),
            (true, None) => Err(format!("--check needs a file\n{USAGE}")),
        }
    }
}
