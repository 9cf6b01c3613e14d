//! Shows on stderr how far a run has come.

use std::{
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of a run: a bar on a terminal, otherwise a line after each tenth.
#[derive(Debug)]
pub struct Progress(Shown);

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines(Mutex<Lines>),
}

#[derive(Debug)]
struct Lines {
    all: u64,
    done: u64,
    start: Instant,
    /// The last tenth that a line was written for.
    written: u64,
}

const TENTHS: u64 = 10;

impl Progress {
    /// Creates the progress of a run that is done when [`advance`](Self::advance) has added up to
    /// `all`.
    #[must_use]
    pub fn new(all: u64) -> Self {
        if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} gone, {eta} to go");
            let bar = ProgressBar::new(all).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(500));
            Self(Shown::Bar(bar))
        } else {
            Self(Shown::Lines(Mutex::new(Lines {
                all: all.max(1),
                done: 0,
                start: Instant::now(),
                written: 0,
            })))
        }
    }

    /// Adds to the work that is done.
    pub fn advance(&self, by: u64) {
        match &self.0 {
            Shown::Bar(bar) => bar.inc(by),
            Shown::Lines(lines) => {
                if let Some(line) = lines.lock().unwrap_or_else(PoisonError::into_inner).advance(by) {
                    eprintln!("{line}");
                }
            }
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Lines {
    fn advance(&mut self, by: u64) -> Option<String> {
        self.done += by;
        let tenths = TENTHS * self.done / self.all;
        if tenths <= self.written {
            return None;
        }
        self.written = tenths;
        let gone = self.start.elapsed();
        let left = gone.mul_f64(self.all.saturating_sub(self.done) as f64 / self.done as f64);
        Some(format!(
            "{:>3} %  {} s gone, {} s to go",
            100 * self.done / self.all,
            gone.as_secs(),
            left.as_secs()
        ))
    }
}
