//! Counts how many instructions a call takes, with valgrind's callgrind.
//!
//! The benchmark's own binary runs under callgrind and makes two batches of calls per subject. The
//! difference of the two totals contains only calls.

use std::{
    fs,
    hint::black_box,
    io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::subject::{Subject, TEN};

/// Calls in the shorter of the two batches. The longer one has twice as many; everything around the
/// calls is in both and cancels.
const CALLS: u64 = 100 * TEN;

/// The function whose instructions callgrind counts, and the function after which it writes a
/// total.
const COLLECTED: &str = "*collected_region*";
const DUMPED: &str = "*dumped_region*";

/// Makes the calls that callgrind counts. The binary runs this under callgrind.
pub fn run_regions(subjects: impl Iterator<Item = Box<dyn Subject>>) {
    for mut subject in subjects {
        subject.run(CALLS);
        for calls in [CALLS, 2 * CALLS] {
            black_box(dumped_region(subject.as_mut(), calls));
        }
    }
}

#[inline(never)]
fn dumped_region(subject: &mut dyn Subject, calls: u64) -> u64 {
    // The addition follows the call. Without it the call would be a jump, which callgrind doesn't
    // count as a call.
    black_box(collected_region(subject, calls)) + 1
}

#[inline(never)]
fn collected_region(subject: &mut dyn Subject, calls: u64) -> u64 {
    subject.run(calls);
    black_box(calls)
}

/// Returns instructions per call, in the order of the subjects that `command` passes to
/// [`run_regions`]. Returns `None` if valgrind is not installed.
///
/// # Errors
///
/// Returns what went wrong while valgrind ran or its output was read.
pub fn count(command: &[String], subjects: usize) -> io::Result<Option<Vec<f64>>> {
    let directory = Scratch::new()?;
    let out = directory.0.join("out");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .arg("--tool=callgrind")
        .arg("--collect-atstart=no")
        .arg(format!("--toggle-collect={COLLECTED}"))
        .arg(format!("--dump-after={DUMPED}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .args(command);
    let output = match valgrind.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output?,
    };
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("valgrind failed: {stderr}")));
    }
    let total = |number: usize| total_of(&out.with_extension(number.to_string()));
    (0..subjects)
        .map(|index| Ok((total(2 * index + 2)? - total(2 * index + 1)?) as f64 / CALLS as f64))
        .collect::<io::Result<_>>()
        .map(Some)
}

fn total_of(file: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(file).map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
    parse_total(&text).ok_or_else(|| io::Error::other(format!("{}: no total of instructions", file.display())))
}

/// Returns the total of the first event. Callgrind counts instructions (`Ir`) first.
fn parse_total(text: &str) -> Option<u64> {
    let counts_instructions = text.lines().any(|line| {
        line.strip_prefix("events:")
            .is_some_and(|events| events.split_whitespace().next() == Some("Ir"))
    });
    let total = text.lines().find_map(|line| line.strip_prefix("totals:"))?;
    counts_instructions
        .then(|| total.split_whitespace().next()?.parse().ok())
        .flatten()
}

/// A directory that is removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("tower-breaker-speed-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // The system clears its temporary files.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "# callgrind format\nversion: 1\npart: 2\n\ndesc: Trigger: --dump-after=x\n\npositions: line\n\
                        events: Ir\nsummary: 110044\n\nfn=(1) main\n12 7\n\ntotals: 110000\n";

    #[test]
    fn total_is_that_of_the_instructions() {
        assert_eq!(parse_total(DUMP), Some(110_000));
        assert_eq!(
            parse_total(
                &DUMP
                    .replace("events: Ir", "events: Ir Dr Dw")
                    .replace("110000", "9 8 7")
            ),
            Some(9)
        );
    }

    #[test]
    fn file_of_another_kind_has_no_total() {
        assert_eq!(parse_total(&DUMP.replace("events: Ir", "events: Dr")), None);
        assert_eq!(parse_total(DUMP.split("totals").next().unwrap()), None);
        assert_eq!(parse_total(""), None);
    }
}
