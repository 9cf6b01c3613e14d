use std::{
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How far a run has come, on stderr: a bar on a terminal, else a line now and then.
pub(crate) enum Progress {
    Bar(ProgressBar),
    Lines(Mutex<Lines>),
}

pub(crate) struct Lines {
    all: u64,
    done: u64,
    start: Instant,
    /// The last tenth that was told.
    told: u64,
}

const TENTHS: u64 = 10;

impl Progress {
    pub(crate) fn new(all: u64) -> Self {
        if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} gone, {eta} to go");
            let bar = ProgressBar::new(all).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(500));
            Self::Bar(bar)
        } else {
            Self::Lines(Mutex::new(Lines {
                all: all.max(1),
                done: 0,
                start: Instant::now(),
                told: 0,
            }))
        }
    }

    pub(crate) fn advance(&self, by: u64) {
        match self {
            Self::Bar(bar) => bar.inc(by),
            Self::Lines(lines) => {
                if let Some(line) = lines.lock().unwrap_or_else(PoisonError::into_inner).advance(by) {
                    eprintln!("{line}");
                }
            }
        }
    }

    pub(crate) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Lines {
    fn advance(&mut self, by: u64) -> Option<String> {
        self.done += by;
        let tenths = TENTHS * self.done / self.all;
        if tenths <= self.told {
            return None;
        }
        self.told = tenths;
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
