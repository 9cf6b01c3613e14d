//! Shows on a terminal how far a long task has come.

use std::io::{self, IsTerminal, Read, Write};

/// The progress of a task. Short tasks show nothing.
pub(crate) struct Progress {
    task: &'static str,
    of: u64,
    done: u64,
    shown_at: u64,
    is_shown: bool,
}

/// The shortest task that is is_shown.
const LONG: u64 = 100_000;

impl Progress {
    /// Creates the progress of a task with `of` steps, or 0 if the number isn't known.
    pub(crate) fn new(task: &'static str, of: u64) -> Self {
        Self {
            task,
            of,
            done: 0,
            shown_at: 0,
            is_shown: io::stderr().is_terminal() && (of == 0 || of >= LONG),
        }
    }

    pub(crate) fn step(&mut self) {
        self.at(self.done + 1);
    }

    pub(crate) fn at(&mut self, done: u64) {
        self.done = done;
        if !self.is_shown || done < self.shown_at + self.of / 100 {
            return;
        }
        self.shown_at = done;
        let _ = match self.of {
            0 => write!(io::stderr(), "\r{} {done}", self.task),
            of => write!(io::stderr(), "\r{} {:3} %", self.task, 100 * done / of),
        };
    }

    pub(crate) fn end(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// A reader that shows how much of a file has been read.
pub(crate) struct Counted<R> {
    from: R,
    progress: Progress,
}

impl<R> Counted<R> {
    pub(crate) fn new(from: R, progress: Progress) -> Self {
        Self { from, progress }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.progress.at(self.progress.done + read as u64);
        if read == 0 {
            self.progress.end();
        }
        Ok(read)
    }
}
